"""A state and its JSON document, in both directions, and what is added to a stored document."""

from inngest_nb.wire._document import (
    Head,
    decode,
    decode_json,
    decode_time,
    encode,
    encode_json,
    head,
    microseconds,
    time_of,
    uncollected,
)
from inngest_nb.wire._parts import PartHead, encode_part, part_head, splice

__all__ = [
    "Head",
    "PartHead",
    "decode",
    "decode_json",
    "decode_time",
    "encode",
    "encode_json",
    "encode_part",
    "head",
    "microseconds",
    "part_head",
    "splice",
    "time_of",
    "uncollected",
]
