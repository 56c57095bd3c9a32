"""Which events and which errors are wanted: decided here, because the server cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from inngest_nb import words
from inngest_nb.api import Event, Listed, checks

_MISSING = object()


def check_event(name: str | None, argument: str) -> str | None:
    """Return the name of an event; Inngest's own are in no list of the server's."""
    if name is None:
        return None
    checks.check_name(name, argument, "shop/order.placed")
    if checks.is_internal(name):
        raise ValueError(
            f"{argument} must be an event of yours, such as 'shop/order.placed': the server does "
            f"not list Inngest's own, got {words.short(name, 60)!r}"
        )
    return name


class EventData:
    """What the data of an event must be: a value, or true for a function, at each path."""

    def __init__(self, given: Mapping[str, Any] | None) -> None:
        if given is not None and not (
            isinstance(given, Mapping)
            and given
            and all(isinstance(path, str) and path for path in given)
        ):
            raise ValueError(
                "data must map paths in an event's data to what is wanted there, such as "
                f"{{'user.id': 'u7', 'items': lambda n: n > 3}}, got {words.short(repr(given), 60)}"
            )
        self._given = dict(given or {})

    def matches(self, event: Event) -> bool:
        """Tell whether an event is wanted. What has nothing at a path is not."""
        return all(self._fits(event, path, wanted) for path, wanted in self._given.items())

    def _fits(self, event: Event, path: str, wanted: Any) -> bool:
        found = _at(event.data, path)
        if found is _MISSING:
            return False
        if not callable(wanted):
            return _same(found, wanted)
        try:
            return bool(wanted(found))
        except Exception as error:
            error.add_note(
                f"data[{path!r}] was called with {words.short(repr(found), 60)}, "
                f"from event {event.event_id}"
            )
            raise


def _at(value: Any, path: str) -> Any:
    """Return what lies at a path; a key may have dots itself, a number counts in a list."""
    if isinstance(value, Mapping) and path in value:
        return value[path]
    if isinstance(value, Sequence) and not isinstance(value, str):
        head, _, rest = path.partition(".")
        if not head.isdecimal() or int(head) >= len(value):
            return _MISSING
        return _at(value[int(head)], rest) if rest else value[int(head)]
    if isinstance(value, Mapping):
        for dot in re.finditer(r"\.", path):
            if path[: dot.start()] in value:
                found = _at(value[path[: dot.start()]], path[dot.end() :])
                if found is not _MISSING:
                    return found
    return _MISSING


def _same(found: Any, wanted: Any) -> bool:
    """Compare as JSON does, where true is not 1."""
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


class ErrorText:
    """What the error of a failed run must say: text, ignoring case, or a pattern; None is any."""

    def __init__(self, given: str | re.Pattern[str] | None) -> None:
        if isinstance(given, re.Pattern) and isinstance(given.pattern, str):
            self._pattern: re.Pattern[str] | None = given
        elif isinstance(given, str) and given:
            self._pattern = re.compile(re.escape(given), re.IGNORECASE)
        elif given is None:
            self._pattern = None
        else:
            raise ValueError(
                "error must be text or a compiled pattern to find in errors, such as 'timeout' or "
                f"re.compile('HTTP 5..'), got {words.short(repr(given), 60)}"
            )

    @property
    def is_wanted(self) -> bool:
        """Whether anything is asked of errors."""
        return self._pattern is not None

    def matches(self, run: Listed) -> bool:
        """Tell whether a run is wanted: by the error's name and message, not by its stack."""
        if self._pattern is None:
            return True
        error = run.error
        return error is not None and self._pattern.search(str(error)) is not None
