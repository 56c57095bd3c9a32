"""Converts states to JSON documents and back, and appends to stored documents."""

from inngest_nb.wire._decoding import (
    Head,
    decode,
    decode_json,
    decode_time,
    head,
    microseconds,
    payloads,
    time_of,
    uncollected,
)
from inngest_nb.wire._depth import MAX_DEPTH, flat, is_deeper
from inngest_nb.wire._encoding import differ, encode
from inngest_nb.wire._parts import PartHead, edits, encode_part, part_head, splice
from inngest_nb.wire._payload import duplicate, encode_json, json_copy

__all__ = [
    "MAX_DEPTH",
    "Head",
    "PartHead",
    "decode",
    "decode_json",
    "decode_time",
    "differ",
    "duplicate",
    "edits",
    "encode",
    "encode_json",
    "encode_part",
    "flat",
    "head",
    "is_deeper",
    "json_copy",
    "microseconds",
    "part_head",
    "payloads",
    "splice",
    "time_of",
    "uncollected",
]
