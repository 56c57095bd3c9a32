"""Where the real server says something else than it means, each in one place.

What is here was seen on the open-source server (1.43 line); each function has a test that asks a
recording or a server with recorded answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from inngest_nb.api.basics._values import RunError
from inngest_nb.history import is_finished

STATUSES = {
    "queued": "QUEUED",
    "running": "RUNNING",
    "completed": "COMPLETED",
    "failed": "FAILED",
    "canceled": "CANCELLED",
}
CANCELED = STATUSES["canceled"]
_WORDS = {theirs: ours for ours, theirs in STATUSES.items()}
# A constant of the server.
_GRACE = timedelta(seconds=10)


class Trouble(NamedTuple):
    """An error as the server told it."""

    status: int
    code: str
    reason: str


def trouble(status: int, said: object) -> Trouble | None:
    """Return the error in an answer, or None for a good one.

    v2 has a true status and `errors`; v1 has `error` and the true status in the body, under HTTP
    200 for all that reads; ingest has `error` too.
    """
    body = said if isinstance(said, Mapping) else {}
    errors = body.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], Mapping):
        first = errors[0]
        return Trouble(status, str(first.get("code", "")), str(first.get("message", "")))
    within = body.get("status")
    if body.get("error") and isinstance(within, int):
        return Trouble(within if status < 400 else status, "", str(body["error"]))
    if status >= 400:
        return Trouble(status, "", said.strip()[:300] if isinstance(said, str) else "")
    return None


def word(status: str) -> str:
    """Return our word for a status of the server's."""
    return _WORDS.get(status.upper(), status.lower())


def true_status(status: str, *, is_over: bool) -> str:
    """Return the status of a run in v2, in our words.

    The detail of a run that sleeps, or waits for a retry, after a finished step says COMPLETED.
    Only what has an end is over.
    """
    ours = word(status)
    return "running" if is_finished(ours) and not is_over else ours


def lateness(status: str) -> timedelta:
    """Return how much later than it was a list shows the end of a run, often in the future."""
    return _GRACE if status == CANCELED else timedelta()


def unwrapped(output: Any) -> Any:
    """Return the output of a run or step in v2, which puts all but objects into `{"data": …}`.

    An object with nothing but `data` looks the same; only v1 shows which of the two it was.
    """
    if isinstance(output, Mapping) and [*output] == ["data"]:
        return output["data"]
    return output


def exact_output(v2: Any, v1: Mapping[str, Any]) -> Any:
    """Return the output of a run that has ended, from both of the calls that show it.

    v1 has it exactly, with all digits and without a wrapping. But just after the end v1 may say
    null, and repeats it for three seconds; then v2 is right.
    """
    exact = v1.get("output")
    return unwrapped(v2) if exact is None else exact


def error_of(output: Any) -> RunError | None:
    """Return the error in the output of what failed.

    Lists put it into `{"error": …}`; a run with too many steps has it one level deeper still.
    """
    while isinstance(output, Mapping) and isinstance(output.get("error"), Mapping):
        output = output["error"]
    if not isinstance(output, Mapping):
        said = unwrapped(output)
        return RunError(message=str(said)) if said else None
    message = output.get("message") or output.get("error")
    if not message and not output.get("name"):
        return None
    names = ("name", "stack", "code")
    return RunError(message=text(message), **{name: text(output.get(name)) for name in names})


def time(value: object) -> datetime | None:
    """Read a time: 0 to 9 digits of a second; Go's zero time and what is no time are None."""
    if not isinstance(value, str) or value.startswith("0001-01-01"):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def milliseconds(value: object) -> datetime | None:
    """Read an event's `ts`: milliseconds since 1970."""
    try:
        return datetime.fromtimestamp(int(text(value)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def duration(value: object) -> timedelta | None:
    """Read a number of milliseconds, which v2 writes as text."""
    number = whole_number(value)
    try:
        return None if number is None else timedelta(milliseconds=number)
    except OverflowError:
        return None


def whole_number(value: object) -> int | None:
    """Read a whole number, which v2 may write as text; what is left out is None."""
    try:
        return None if value is None or isinstance(value, bool) else int(text(value))
    except ValueError:
        return None


def text(value: object) -> str:
    """Return a text; what is left out is empty."""
    return "" if value is None else str(value)


def accepted_ids(said: object) -> list[str]:
    """Return the ids of accepted events. An empty id, under HTTP 200, stands for no event."""
    ids: object = said.get("ids") if isinstance(said, Mapping) else ()
    return [key for key in ids if isinstance(key, str) and key] if isinstance(ids, list) else []


def items(said: Mapping[str, Any], name: str = "data") -> Sequence[Mapping[str, Any]]:
    """Return the entries of a list; v2 leaves out one that is empty."""
    found = said.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def part(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within another, an empty one where it is left out."""
    found = said.get(name)
    return found if isinstance(found, Mapping) else {}
