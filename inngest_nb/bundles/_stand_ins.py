"""Stand-ins for redacted values, which are also put where their texts occur in other texts.

They are drawn at random, not computed from the values, so that nobody can find a value by trying.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
from collections.abc import Callable, Hashable, Iterator
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
from msgspec import Raw

from inngest_nb.wire import flat

LEAST = 4  # characters of a text that is looked for in other texts; shorter ones are everywhere
_PREFIX = "redacted-"
_DRAWS = 20
_REMEMBERED = 50_000  # tokens that were searched, because most occur again and again
_SHORT = 64
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*', re.DOTALL)
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)

_encode = msgspec.json.Encoder().encode
_text_of = msgspec.json.Decoder(str).decode


class StandIns:
    """Stand-ins by value. All values are learned first, then replaced.

    A stand-in contains no redacted text, unless there are so many that most do.
    """

    def __init__(self) -> None:
        self._drawn: dict[Hashable, str] = {}
        self._used: set[str] = set()
        self._hidden: dict[str, str] = {}  # each spelling of a text, with the text itself
        self._lengths: dict[str, list[int]] = {}  # of spellings, longest first, by how they begin
        self._has_numbers = False
        self._searched: dict[bytes, bytes] = {}

    def learn(self, raw: bytes) -> None:
        """Take in a redacted JSON value: the texts in it must not remain anywhere."""
        for text in _texts_in(_parsed(raw)):
            known = self._hidden.get(text) == text
            if known or len(text) < LEAST or text in _PREFIX or text.isspace():
                continue
            for spelling in _spellings(text):
                self._hidden.setdefault(spelling, text)
                lengths = self._lengths.setdefault(spelling[:LEAST], [])
                if len(spelling) not in lengths:
                    lengths.append(len(spelling))
                    lengths.sort(reverse=True)
                self._has_numbers = self._has_numbers or bool(_NUMBER.fullmatch(spelling))
            self._hidden[text] = text  # which may be a spelling of another text

    def instead_of(self, raw: bytes) -> bytes:
        """Return the stand-in of a JSON value, as JSON.

        A text gets a text, a whole number a whole number, and another number one with a fraction;
        an object, a list, true and false get a text. Null and the empty text say nothing and stay.
        """
        value = _parsed(raw)
        if value is None or value == "":
            return raw
        if isinstance(value, Decimal):
            return self._number(raw)
        return _encode(self._text(value if isinstance(value, str) else (_canonical(value),)))

    def in_text(self, text: str) -> str:
        """Return a text with stand-ins for the redacted texts that occur in it."""
        if text in self._used or not (spans := self._spans(text)):
            return text
        pieces, end = list[str](), 0
        for start, stop in spans:
            found = text[start:stop]
            # Overlapping texts have no entry of their own: they are replaced together.
            pieces += [text[end:start], self._text(self._hidden.get(found, found))]
            end = stop
        return "".join([*pieces, text[end:]])

    def in_json(self, raw: bytes | Raw, *, numbers: bool = True) -> bytes:
        """Do the same in each text and each key of a JSON value; all else stays byte for byte.

        With `numbers`, those in whose digits a redacted text occurs are replaced, too.
        """
        if not self._hidden:
            return bytes(raw)
        numbers = numbers and self._has_numbers
        return _TOKEN.sub(lambda token: self._in_token(token[0], numbers), bytes(raw))

    def _in_token(self, token: bytes, numbers: bool) -> bytes:
        if not token.startswith(b'"'):
            digits = token.decode()
            stays = not numbers or digits in self._used or not self._spans(digits)
            return token if stays else self._number(token)
        if (known := self._searched.get(token)) is not None:
            return known
        text = _text_of(token)
        clean = self.in_text(text)
        result = token if clean == text else _encode(clean)
        if len(token) < _SHORT:
            if len(self._searched) >= _REMEMBERED:
                self._searched.clear()
            self._searched[token] = result
        return result

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Return where redacted texts are, the longest at each place; overlapping ones as one."""
        spans: list[tuple[int, int]] = []
        for start in range(len(text) - LEAST + 1):
            for length in self._lengths.get(text[start : start + LEAST], ()):
                if text[start : start + length] in self._hidden:
                    stop = start + length
                    if spans and start < spans[-1][1]:
                        spans[-1] = spans[-1][0], max(stop, spans[-1][1])
                    else:
                        spans.append((start, stop))
                    break
        return spans

    def _text(self, key: Hashable) -> str:
        return self._stand_in(key, lambda size: _PREFIX + secrets.token_hex(4 * size))

    def _number(self, token: bytes) -> bytes:
        def draw(size: int) -> str:
            least = 10 ** (9 * size - 1)
            return str(least + secrets.randbelow(9 * least))

        number = _canonical(_number(token.decode()))
        fraction = "" if re.fullmatch(rb"-?[0-9]+", token) else ".0"
        return f"{self._stand_in(('number', number), draw)}{fraction}".encode()

    def _stand_in(self, key: Hashable, draw: Callable[[int], str]) -> str:
        """Return the stand-in of a key; for a new key, draw one that nothing else has."""
        if (known := self._drawn.get(key)) is not None:
            return known
        for draws in itertools.count():
            text = draw(1 + draws // _DRAWS)
            if text not in self._used and (draws >= _DRAWS or not self._spans(text)):
                break
        self._used.add(text)
        self._drawn[key] = text
        return text


def _spellings(text: str) -> set[str]:
    """Return a text and how it is written inside of other texts: as JSON, in Python, in a URL."""
    ascii_json, json_text = json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
    html_safe = json_text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    python = repr(text)[1:-1], ascii(text)[1:-1]
    urls = quote(text, safe=""), quote(text), quote_plus(text)
    return {text, ascii_json, json_text, html_safe, *python, *urls}


def _parsed(raw: bytes) -> Any:
    """Return a JSON value, with exact numbers."""
    return flat(_with_exact_numbers, raw.decode())


def _number(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent beyond all limits; only such of zero can be stored
        return Decimal(0)


_with_exact_numbers = json.JSONDecoder(parse_int=_number, parse_float=_number).decode


def _canonical(value: Any) -> str:
    """Return a text that is the same for equal JSON values."""
    return flat(_sorted_json, value)


def _tagged(number: Decimal) -> Any:
    return {"\u2063": str(number.normalize(_EXACT)) if number else "0"}


_sorted_json = json.JSONEncoder(sort_keys=True, default=_tagged).encode


def _texts_in(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value; the keys of objects are none."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list):
            todo += one
