"""Reads documents: whole as states, or only what an index needs."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field
from msgspec.json import Decoder
from msgspec.structs import force_setattr

from inngest_nb.errors import StoreDecodeError
from inngest_nb.state import (
    ZERO_TIME,
    ForkOrigin,
    Nanoseconds,
    Waits,
    WorkflowState,
    wire_name,
)
from inngest_nb.wire._depth import DOCUMENT_DEPTH, MAX_DEPTH, flat, is_deeper

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_DURATION = Nanoseconds()


def _read_duration(kind: type, value: Any) -> Nanoseconds:
    if type(value) is not int:
        raise TypeError(f"Expected `int`, got `{type(value).__name__}`")
    return Nanoseconds(0, 0, value // 1000) if value else _NO_DURATION  # quicker by position


def write_duration(value: timedelta) -> int:
    return value // _MICROSECOND * 1000 if value else 0


_state_of = Decoder(WorkflowState, dec_hook=_read_duration).decode
_time_of = Decoder(Annotated[datetime, Meta(tz=True)]).decode


class HeadEvent(Struct, rename=wire_name):
    """An event without its payloads, which are skipped."""

    id: int = 0
    type: str = ""
    timestamp: Annotated[datetime, Meta(tz=True)] | None = None
    activity_name: str = ""
    error: str = ""
    signal_name: str = ""
    duration: int = 0
    seq: int = 0
    attempt: int = 0
    retry_at: Annotated[datetime, Meta(tz=True)] | None = None
    versions: dict[str, int] = {}
    superseded: bool = False
    timeout: int = 0
    workflow: str = ""
    version: int = 0
    seed: str = ""
    child: str = ""
    detached: bool = False
    message: str = ""
    error_type: str = ""
    trace: str = ""


class OutOfBand(Struct, kw_only=True):
    """Keys that a document should not have, but that decoding a state would read."""

    first_saved_at: Annotated[datetime, Meta(tz=True)] | None = field(
        default=None, name="\u2063first_saved_at"
    )
    etag: str = field(default="", name="\u2063etag")


class Head(OutOfBand, rename=wire_name):
    """The fields that a store indexes; decoding them checks the whole document except payloads."""

    workflow_id: str
    run_id: str = ""
    status: str = ""
    error: str = ""
    history: list[HeadEvent] | None = None
    created_at: Annotated[datetime, Meta(tz=True)] | None = None
    updated_at: Annotated[datetime, Meta(tz=True)] | None = None
    owner: str = ""
    fence: int = 0
    lease_until: Annotated[datetime, Meta(tz=True)] | None = None
    forked_from: ForkOrigin | UnsetType = UNSET
    parent_id: str = ""
    waits: Waits | UnsetType = UNSET


class WholeEvent(HeadEvent):
    """An event with its payloads, in which a number may be too large to be read."""

    input: Any = None
    result: Any = None
    signal_payload: Any = None
    details: Any = None


class _WholeHead(Head):
    """A head that also decodes the payloads."""

    input: Any = None
    result: Any = None
    history: list[WholeEvent] | None = None  # type: ignore[assignment]


class _Payloads(Struct, rename=wire_name):
    """The payloads of a document, as raw JSON."""

    input: Raw = Raw(b"")  # immutable
    result: Raw = Raw(b"")


_head_of = Decoder(Head).decode
_payloads_of = Decoder(_Payloads).decode
_whole_head_of = Decoder(_WholeHead).decode
_LONGEST = write_duration(timedelta.max)


def microseconds(time: datetime | None) -> int:
    """Return the microseconds from 1970 to an aware time, for any year from 1 to 9999.

    None means the contract's zero time.
    """
    return ((time or ZERO_TIME) - _EPOCH) // _MICROSECOND


def time_of(us: int) -> datetime:
    """Return the UTC time for a number of microseconds since 1970."""
    return _EPOCH + us * _MICROSECOND


def decode(body: bytes, *, first_saved_at: datetime | None = None, etag: str = "") -> WorkflowState:
    """Decode a document of the contract.

    Raises `StoreDecodeError`, whose `place` is the path in the document.
    """
    state = read_state(body)
    force_setattr(state, "origin", Raw(body))
    force_setattr(state, "first_saved_at", first_saved_at)
    force_setattr(state, "etag", etag)
    return state


def read_state(body: bytes) -> WorkflowState:
    """Decode a document as `decode` does; the state does not remember it."""
    state: WorkflowState = read(_state_of, body)
    return state


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Disable the garbage collector, which only takes time while many new values are kept."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def head(body: bytes, *, payloads: bool = False) -> Head:
    """Decode the fields for an index, and reject what `decode` could not read.

    Payloads, for example the size of their numbers, are checked only with `payloads=True`.
    """
    if not payloads:
        found: Head = read_text(_head_of, body)
        return found
    whole: Head = read_text(_whole_head_of, body)
    check_durations(whole.history)
    return whole


def payloads(body: bytes) -> tuple[bytes, bytes]:
    """Return the raw JSON of a document's input and result, b"" where the document has none."""
    found: _Payloads = read_text(_payloads_of, body)
    return bytes(found.input), bytes(found.result)


def check_durations(events: Sequence[HeadEvent] | None) -> None:
    """Raise `StoreDecodeError` for durations that are too large for a `timedelta`."""
    for event in events or ():
        if not -_LONGEST <= event.duration <= _LONGEST >= event.timeout >= -_LONGEST:
            raise StoreDecodeError(
                "invalid document: a duration is out of range, at $.History",
                place="$.History",
            )


def decode_json(text: str | bytes) -> Any:
    """Decode one JSON value, like a payload. Raises `StoreDecodeError`."""
    body = text.encode() if isinstance(text, str) else text
    return read(msgspec.json.decode, body, MAX_DEPTH)


def decode_time(text: str) -> datetime:
    """Decode an RFC 3339 time with a time zone. Raises `StoreDecodeError`."""
    time: datetime = read(_time_of, b'"%s"' % text.encode())
    return time


def read_text(decode: Any, body: bytes) -> Any:
    """Run a decoder that skips some strings, after checking that the whole body is UTF-8."""
    try:
        str(body, "utf-8")
    except UnicodeDecodeError as error:
        _refuse(body, error)
    return read(decode, body)


def read(decode: Any, body: bytes, most: int = DOCUMENT_DEPTH) -> Any:
    """Run a decoder, and turn its errors into `StoreDecodeError`."""
    try:
        if is_deeper(body, most):
            raise RecursionError
        return flat(decode, body)
    except msgspec.ValidationError as error:
        trimmed = _LAST_MICROSECOND.sub(rb"\1", body)
        if trimmed != body:
            return read(decode, trimmed, most)
        _refuse(body, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        _refuse(body, error)


# With more digits, the last microsecond of year 9999 would be rounded up to year 10000.
_LAST_MICROSECOND = re.compile(rb'("9999-12-31T23:59:59\.999999)\d+(?=[Z+-])')
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _refuse(body: bytes, error: Exception) -> NoReturn:
    text, _, place = str(error).partition(" - at `")
    if isinstance(error, RecursionError):
        text = f"it is nested deeper than {MAX_DEPTH} levels"
    elif isinstance(error, UnicodeDecodeError):
        text = "it is not valid UTF-8"
    elif isinstance(error, OverflowError):
        text = "a duration is out of range"
    elif body.startswith(b"\xef\xbb\xbf"):
        text = "it starts with a byte order mark, which JSON does not allow"
    elif not body.strip():
        text = "it is empty"
    elif "truncated" in text and _SURROGATE.search(body):
        text = "it contains an unpaired surrogate, or is truncated"
    raise StoreDecodeError(
        f"invalid document: {text}, at {(place := place.rstrip('`') or '$')}",
        place=place,
    ) from error
