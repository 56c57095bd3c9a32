"""Converts states to JSON documents and back, without losing anything.

A value remembers the document that it came from. Encoding it patches that document: only changed
fields are replaced, so unknown keys, nanoseconds, time zones and long numbers are preserved.
"""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field
from msgspec.json import Decoder, Encoder
from msgspec.structs import astuple, force_setattr

from inngest_nb.errors import StoreDecodeError
from inngest_nb.state import (
    DOCUMENT_FIELDS,
    ZERO_TIME,
    ForkOrigin,
    HistoryEvent,
    Nanoseconds,
    Waits,
    WorkflowState,
    wire_name,
)
from inngest_nb.wire._depth import DOCUMENT_DEPTH, MAX_DEPTH, flat, is_deeper
from inngest_nb.wire._payload import encode_json, json_error

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ZERO_TIME_TEXT = "0001-01-01T00:00:00Z"
_NO_DURATION = Nanoseconds()


def _read_duration(kind: type, value: Any) -> Nanoseconds:
    if type(value) is not int:
        raise TypeError(f"Expected `int`, got `{type(value).__name__}`")
    return Nanoseconds(0, 0, value // 1000) if value else _NO_DURATION  # quicker by position


def write_duration(value: timedelta) -> int:
    return value // _MICROSECOND * 1000 if value else 0


_state_of = Decoder(WorkflowState, dec_hook=_read_duration).decode
_time_of = Decoder(Annotated[datetime, Meta(tz=True)]).decode
_parts_of = Decoder(dict[str, Raw]).decode
_items_of = Decoder(list[Raw] | None).decode
_json = Encoder().encode
_events = Encoder(enc_hook=write_duration).encode
# For comparisons only; `total_seconds` distinguishes durations without a call of Python code.
_compare = Encoder(enc_hook=timedelta.total_seconds).encode


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
_id_of = attrgetter("id")
_durations_of = attrgetter("duration")
_timeouts_of = attrgetter("timeout")
_LONGEST = write_duration(timedelta.max)


def microseconds(time: datetime | None) -> int:
    """Return the microseconds from 1970 to an aware time, for any year from 1 to 9999.

    None means the contract's zero time.
    """
    return ((time or ZERO_TIME) - _EPOCH) // _MICROSECOND


def time_of(us: int) -> datetime:
    """Return the UTC time for a number of microseconds since 1970."""
    return _EPOCH + us * _MICROSECOND


# Reading


def decode(body: bytes, *, first_saved_at: datetime | None = None, etag: str = "") -> WorkflowState:
    """Decode a document of the contract.

    Raises `StoreDecodeError`, whose `place` is the path in the document.
    """
    state: WorkflowState = read(_state_of, body)
    force_setattr(state, "origin", Raw(body))
    force_setattr(state, "first_saved_at", first_saved_at)
    force_setattr(state, "etag", etag)
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
    for kind in (_durations_of, _timeouts_of) if events else ():
        spans = list(map(kind, events or ()))
        if max(spans) > _LONGEST or min(spans) < -_LONGEST:
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


# Writing


def encode(state: WorkflowState) -> bytes:
    """Encode a state as a document: the one that it came from, with the changed fields replaced.

    Raises `TypeError` or `ValueError`, which name the field, for what cannot be written as JSON.
    """
    if state.origin is UNSET:
        return _checked(written(fields(state, DOCUMENT_FIELDS)))
    document = bytes(state.origin)
    before: WorkflowState = read(_state_of, document)
    changed = [
        name for name in DOCUMENT_FIELDS if differ(getattr(state, name), getattr(before, name))
    ]
    if not changed:
        return document
    parts: dict[str, Any] = parts_of(document)
    history = parts.get("History")
    parts |= fields(state, [name for name in changed if name != "history"])
    if "history" in changed:
        parts["History"] = _patched(state.history, before.history, history)
    return _checked(written(_without(parts, state, changed)))


def written(parts: dict[str, Any] | list[dict[str, Any]]) -> bytes:
    """Encode the result of `fields` as a document or a part of one."""
    try:
        return _json(parts)
    except UnicodeEncodeError as error:  # in a string field: payloads are already encoded
        raise ValueError(
            f"a field cannot be written as JSON: {json_error(parts) or error}"
        ) from error


def parts_of(document: bytes | Raw) -> dict[str, Raw]:
    """Return the JSON text of each key of a document."""
    return flat(_parts_of, document)


def differ(now: Any, before: Any) -> bool:
    """Tell whether two values of a field are encoded differently."""
    if now is UNSET or before is UNSET:
        return now is not before
    try:
        return flat(_are_different, now, before)
    except (TypeError, ValueError, RecursionError):
        return True  # cannot be encoded at all: `fields` raises an error with the field's name


def _are_different(now: Any, before: Any) -> bool:
    # As values, because JSON turns NaN into null; as JSON, because 1 equals 1.0 and True.
    return bool(now != before) or _compare(now) != _compare(before)


def _patched(
    events: Sequence[HistoryEvent], before: Sequence[HistoryEvent], document: Raw | None
) -> list[Any]:
    """Encode events, each as a patch of the same event in the old history."""
    documents = (document is not None and flat(_items_of, document)) or []
    twins = _twins(events, before, documents)
    written: list[Any] = []
    for event, twin in zip(events, twins, strict=True):
        if twin is None:
            written.append(event_fields(event))
        elif differ(event, before[twin]):
            old = before[twin]
            changed = [n for n in EVENT_FIELDS if differ(getattr(event, n), getattr(old, n))]
            parts = parts_of(documents[twin]) | fields(event, changed)
            written.append(_without(parts, event, changed))
        else:
            written.append(documents[twin])
    return written


def _twins(
    events: Sequence[HistoryEvent], before: Sequence[HistoryEvent], documents: Sequence[Raw]
) -> list[int | None]:
    """Return for each event its position in the old history, None for a new event.

    Events are matched by id. If several have the same id, only those with the same contents and
    those edited in place are matched; the others must not inherit unknown keys, which could belong
    to another event.
    """
    twins: list[int | None] = [None] * len(events)
    olds, news = _places(before, _id_of), _places(events, _id_of)
    for key, new in news.items():
        old = olds.get(key, [])
        if len(old) == len(new) == 1:
            twins[new[0]] = old[0]
        elif old:
            said = _places(before, _text_of, old)
            for text, alike in _places(events, _text_of, new).items():
                same = said.get(text, [])
                if len(same) == len(alike):
                    for place, twin in zip(alike, same, strict=True):
                        twins[place] = twin
                elif len({bytes(documents[each]) for each in same}) == 1:
                    for place in alike:
                        twins[place] = same[0]
            if len(events) == len(before):
                free = {*old}.difference(twin for twin in twins if twin is not None)
                for place in free.intersection(new):
                    if twins[place] is None and _is_edit(events[place], before[place]):
                        twins[place] = place
    return twins


def _places(
    events: Sequence[HistoryEvent],
    key_of: Callable[[HistoryEvent], Any],
    among: Iterable[int] | None = None,
) -> dict[Any, list[int]]:
    """Return the positions of events by their key."""
    places: dict[Any, list[int]] = {}
    for place in range(len(events)) if among is None else among:
        places.setdefault(key_of(events[place]), []).append(place)
    return places


def _text_of(event: HistoryEvent) -> Any:
    """Return a key that is equal for events with the same contents."""
    try:
        return flat(_compare, event)
    except (TypeError, ValueError, RecursionError):
        return object()  # it cannot be encoded at all


def _is_edit(event: HistoryEvent, before: HistoryEvent) -> bool:
    """Tell whether an event is an edited version of the old one at its position."""
    known = event.timestamp is not None and event.timestamp == before.timestamp
    return known and (event.type, event.activity_name) == (before.type, before.activity_name)


def _without(parts: dict[str, Any], value: Struct, changed: Sequence[str]) -> dict[str, Any]:
    """Remove the keys of fields that are no longer set."""
    gone = {KEYS[name] for name in changed if getattr(value, name) is UNSET}
    return {key: part for key, part in parts.items() if key not in gone} if gone else parts


def fields(value: object, names: Iterable[str]) -> dict[str, Any]:
    """Return the named fields by their JSON keys, ready for the encoder."""
    return _by_keys(names, [getattr(value, name) for name in names])


def event_fields(event: HistoryEvent) -> dict[str, Any]:
    """Return the fields of an event by their JSON keys, ready for the encoder."""
    return _by_keys(EVENT_FIELDS, astuple(event))


def _by_keys(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name, found in zip(names, values, strict=True):
        if found is UNSET:
            continue
        if (write := _WRITERS.get(name)) is not None:
            try:
                found = write(found)
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"{name} cannot be written as JSON: {error}") from error
        parts[KEYS[name]] = found
    return parts


def _write_payload(value: Any) -> Raw | None:
    return None if value is None else Raw(encode_json(value))  # most events have one of three


def _write_time(value: datetime | None) -> datetime | str:
    return _ZERO_TIME_TEXT if value is None else value


EVENT_FIELDS = HistoryEvent.__struct_fields__
KEYS = {name: wire_name(name) for name in (*DOCUMENT_FIELDS, *EVENT_FIELDS)}
_WRITERS: dict[str, Callable[[Any], Any]] = {
    "input": _write_payload,
    "result": _write_payload,
    "signal_payload": _write_payload,
    "details": _write_payload,
    "timestamp": _write_time,
    "created_at": _write_time,
    "updated_at": _write_time,
    "retry_at": _write_time,
    "lease_until": _write_time,
    "duration": write_duration,
    "timeout": write_duration,
    "history": lambda events: Raw(history_json(events)),
}


def _payloads(event: HistoryEvent) -> list[Any]:
    given = event.input, event.result, event.signal_payload, event.details
    return [payload for payload in given if payload is not None and payload is not UNSET]


def history_json(events: Sequence[HistoryEvent], *, sound: bool = False) -> bytes:
    """Encode events at once, if that gives the same result as encoding field by field.

    With `sound=True` their payloads are known to come from JSON, and are not checked again.
    """
    try:
        if not sound:
            encode_json([payload for event in events for payload in _payloads(event)])
        text = _events(events)
    except (TypeError, ValueError, RecursionError):
        text = b""
    empty = 3 * len(events)
    for event in events:
        empty -= event.input is not None
        empty -= event.result is not None
        empty -= event.signal_payload is not None
    # More nulls than empty payloads mean an unset time, NaN, or just a null inside a payload.
    if text and text.count(b"null") == empty:
        return text
    return written(list(map(event_fields, events)))


def _checked(document: bytes) -> bytes:
    """Reject a document that cannot be decoded, for example with a number as `error`."""
    try:
        read(_head_of, document)
    except StoreDecodeError as error:
        raise TypeError(f"a field has the wrong type: {error}") from error
    return document
