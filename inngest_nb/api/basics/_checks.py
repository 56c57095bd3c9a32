"""Checks of arguments. A `ValueError` names the argument and gives an example."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from inngest_nb import words
from inngest_nb.api.basics._quirks import STATUSES, word

TimeField = Literal["queued_at", "started_at", "ended_at"]
Order = Literal["newest", "oldest"]

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)


def check_ulid(value: str, name: str) -> str:
    """Return an id of the server's."""
    if isinstance(value, str) and is_ulid(value):
        return value
    shown = words.short(value, 40) if isinstance(value, str) else type(value).__name__
    raise ValueError(
        f"{name} must be an id of 26 letters and digits such as 01M82BBSDM2RWR71WM2EZVHP9E, "
        f"got {shown!r}"
        + ("; events are looked up by their event_id" if name == "event_id" else "")
    )


def is_ulid(text: str) -> bool:
    """Tell whether a text is an id as the server makes them."""
    return _ULID.fullmatch(text) is not None


def is_internal(event_name: str) -> bool:
    """Tell whether an event is one that only Inngest itself sends, such as for an invocation."""
    return event_name.startswith("inngest/")


def check_name(value: str, name: str, example: str) -> str:
    """Return the name of an app or a function."""
    if isinstance(value, str) and value and value not in (".", ".."):
        return value
    raise ValueError(f"{name} must be a name such as {example!r}, got {value!r}")


def check_apps(app: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the names of apps, given as one or several; None is any app."""
    if app is None:
        return ()
    given = [app] if isinstance(app, str) or not isinstance(app, Iterable) else [*app]
    if not given:
        raise ValueError("app must be a name such as 'shop', or several, or None for all, got none")
    return tuple(check_name(each, "app", "shop") for each in given)


def check_limit(limit: int | None) -> int | None:
    """Return how many are wanted; None is all."""
    if limit is None or (isinstance(limit, int) and not isinstance(limit, bool) and limit > 0):
        return limit
    raise ValueError(f"limit must be a number above 0, such as 100, or None for all, got {limit!r}")


def check_statuses(status: str | Iterable[str] | None) -> list[str]:
    """Return the server's words for statuses that are given in ours or in its own."""
    if status is None:
        return []
    found = []
    for given in [status] if isinstance(status, str) else status:
        word = {"cancelled": "canceled"}.get(str(given).lower(), str(given).lower())
        if word not in STATUSES:
            known = ", ".join(STATUSES)
            raise ValueError(f"status must be one of {known}, or a list of them, got {given!r}")
        found.append(STATUSES[word])
    return found


def our_status(status: str) -> str:
    """Return our word for what `check_statuses` returned."""
    return word(status)


def check_choice(value: str, name: str, choices: Iterable[str]) -> str:
    """Return one of a few words."""
    known = [*choices]
    if value in known:
        return value
    raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def check_rerun(from_step: str | None, given: Any = msgspec.UNSET) -> dict[str, Any]:
    """Return what the server is told of a rerun: nothing, or the step and its arguments."""
    if from_step is None:
        if given is not msgspec.UNSET:
            raise ValueError("input needs the step that it is for, such as from_step='charge'")
        return {}
    if not isinstance(from_step, str) or not from_step:
        raise ValueError(
            f"from_step must be a step's name or id, such as 'charge', got {from_step!r}"
        )
    if given is msgspec.UNSET:
        return {"fromStep": {"stepId": from_step}}
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise ValueError(
            f"input must be the list of the step's arguments, such as [{{'amount': 10}}], "
            f"got {type(given).__name__}"
        )
    return {"fromStep": {"stepId": from_step, "input": [*given]}}


def time_text(moment: datetime) -> str:
    """Write a time for a query."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
