"""A question in GraphQL: which fields of what, with fragments and variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_TOKEN = re.compile(r'\s*(?:(\.\.\.)|("(?:[^"\\]|\\.)*")|([\w$-][\w.-]*)|(\S))')


@dataclass
class Field:
    """One field that is asked for, and which fields of it."""

    name: str
    shown_as: str
    place: int  # in the text
    given: Json = field(default_factory=dict)  # its arguments
    parts: list[Field] = field(default_factory=list)
    only: str = ""  # the type of which it is a field, within a fragment


class UnknownFieldError(Exception):
    """A field that there is not; `said` is what the server says of it."""

    def __init__(self, asked: Field, kind: str) -> None:
        message = f'Cannot query field "{asked.name}" on type "{kind}".'
        super().__init__(message)
        self.said = {
            "message": message,
            "locations": [{"line": 1, "column": asked.place + 1}],
            "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"},
        }


def read(text: str, variables: Json) -> list[Field]:
    """Return what a question asks for."""
    return _Reader(text, variables).question()


def shown(value: Any, asked: Field, kind: str) -> Any:
    """Return of a value what is asked for; a part that takes work may be a function."""
    if callable(value):
        value = value()
    if isinstance(value, list):
        return [shown(each, asked, kind) for each in value]
    if not asked.parts or value is None:
        return value
    found: Json = {}
    for part in asked.parts:
        if part.only and part.only != value.get("__typename"):
            continue
        if part.name not in value:
            raise UnknownFieldError(part, part.only or kind)
        found[part.shown_as] = shown(value[part.name], part, part.name)
    return found


class _Reader:
    def __init__(self, text: str, variables: Json) -> None:
        self._tokens = [
            (m[m.lastindex or 0], m.start(m.lastindex or 0)) for m in _TOKEN.finditer(text)
        ]
        self._at = 0
        self._variables = variables
        self._fragments = dict(self._named_fragments())

    def _named_fragments(self) -> Iterator[tuple[str, int]]:
        words = [token for token, _ in self._tokens]
        for place, word in enumerate(words):
            if word == "fragment":
                yield words[place + 1], words.index("{", place)

    def question(self) -> list[Field]:
        while self._next() != "{":
            pass  # the kind of the question and the types of its variables
        return self._parts("")

    def _next(self) -> str:
        token, _ = self._tokens[self._at]
        self._at += 1
        return token

    def _is(self, token: str) -> bool:
        if self._tokens[self._at][0] != token:
            return False
        self._at += 1
        return True

    def _was(self, token: str) -> bool:
        return self._tokens[self._at - 1][0] == token

    def _parts(self, only: str) -> list[Field]:
        """Read fields up to the closing brace."""
        found: list[Field] = []
        while not self._is("}"):
            if not self._is("..."):
                found.append(self._field(only))
            elif self._is("on"):
                kind = self._next()
                self._next()
                found += self._parts(kind)
            else:
                name, back = self._next(), self._at
                self._at = self._fragments[name] + 1
                found += self._parts(only)
                self._at = back
        return found

    def _field(self, only: str) -> Field:
        place = self._tokens[self._at][1]
        name = self._next()
        made = Field(name, name, place, only=only)
        if self._is(":"):
            made.name = self._next()
        if self._is("("):
            while not self._is(")"):
                self._is(",")
                argument = self._next()
                self._next()
                made.given[argument] = self._value()
                self._is(",")
        if self._is("{"):
            made.parts = self._parts("")
        return made

    def _value(self) -> Any:
        token = self._next()
        if token.startswith("$"):
            return self._variables.get(token[1:])
        if self._was("["):
            found = []
            while not self._is("]"):
                found.append(self._value())
                self._is(",")
            return found
        if self._was("{"):
            entries: Json = {}
            while not self._is("}"):
                name = self._next()
                self._next()
                entries[name] = self._value()
                self._is(",")
            return entries
        try:
            return json.loads(token)
        except ValueError:
            return token  # a word of an enumeration
