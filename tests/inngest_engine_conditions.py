"""The conditions of waits, cancels and triggers: the part of CEL that such conditions need."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<sign>\|\||&&|==|!=|\(|\))
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    )""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None}


class _MissingError(Exception):
    """A name that leads nowhere: the condition does not hold, as in CEL."""


def holds(condition: str | None, **names: Any) -> bool:
    """Tell whether a condition such as `event.data.key == async.data.key` holds.

    No condition always holds. `names` are the values of the first words. Raises `ValueError` for
    what is more than comparisons joined by && and ||.
    """
    if not condition:
        return True
    reader = _Reader(condition, names)
    try:
        found = reader.either()
    except _MissingError:
        return False
    if reader.tokens:
        raise ValueError(f"the stand-in cannot read the condition {condition!r}")
    return found is True


class _Reader:
    def __init__(self, condition: str, names: dict[str, Any]) -> None:
        self.names, self.tokens = names, []
        place = 0
        while condition[place:].strip():
            match = _TOKEN.match(condition, place)
            if match is None:
                raise ValueError(f"the stand-in cannot read the condition {condition!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup or 0]))
            place = match.end()

    def either(self) -> Any:
        value = self.both()
        while self._sign("||"):
            other = self.both()
            value = value is True or other is True
        return value

    def both(self) -> Any:
        value = self.compared()
        while self._sign("&&"):
            other = self.compared()
            value = value is True and other is True
        return value

    def compared(self) -> Any:
        value = self.value()
        if self._sign("=="):
            return value == self.value()
        if self._sign("!="):
            return value != self.value()
        return value

    def value(self) -> Any:
        if self._sign("("):
            value = self.either()
            if not self._sign(")"):
                raise ValueError("a bracket of the condition is not closed")
            return value
        if not self.tokens:
            raise ValueError("the condition ends too early")
        kind, text = self.tokens.pop(0)
        if kind == "text":
            return json.loads(text) if text[0] == '"' else ast.literal_eval(text)
        if kind == "number":
            return json.loads(text)
        if kind == "name":
            return self._named(text)
        raise ValueError(f"the stand-in cannot read {text!r} in a condition")

    def _named(self, text: str) -> Any:
        if text in _WORDS:
            return _WORDS[text]
        first, *rest = text.split(".")
        if first not in self.names:
            raise ValueError(f"the stand-in cannot read {text!r} in a condition")
        value = self.names[first]
        for word in rest:
            if not isinstance(value, dict) or word not in value:
                raise _MissingError
            value = value[word]
        return value

    def _sign(self, sign: str) -> bool:
        if self.tokens[:1] == [("sign", sign)]:
            del self.tokens[0]
            return True
        return False
