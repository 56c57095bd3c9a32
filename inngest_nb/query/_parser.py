"""Reads the text of `where=` into a condition, and says what is wrong with it, and where."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, NamedTuple

from inngest_nb import wire
from inngest_nb.query._columns import COLUMNS, mismatch
from inngest_nb.query._conditions import (
    And,
    Column,
    Compare,
    Condition,
    Contains,
    In,
    IsMissing,
    Literal,
    Not,
    Operand,
    Or,
)
from inngest_nb.query._paths import NAME, PAYLOADS, Path, read_steps
from inngest_nb.query._reading import Unclear, check_size, read_quoted, refuse
from inngest_nb.words import short

MOST_NESTED = 50
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_SIGN = re.compile(r"==|!=|<=|>=|<>|[=<>()\[\],]")
_SPACE = re.compile(r"\s*")
_WORDS = frozenset(("and", "or", "not", "in", "contains", "is", "missing"))
_VALUES = {"true": True, "false": False}
_NULLS = ("null", "none")
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_SIGNS = {"==": "=", "<>": "!="}
_NUMBER_DIGITS = 1_000
_INSTEAD = {"&": "and", "|": "or", "!": "not", "~": "not"}


class Token(NamedTuple):
    """A word or a sign, a value, a name, or the end; `at` is its place in the text."""

    kind: str
    text: str
    at: int
    value: Any = None


def parse(text: str, name: str) -> Condition:
    """Read a condition that is given as the argument `name`.

    Raises `ValueError` with the place marked.
    """
    check_size(text, name)
    try:
        return wire.flat(_read, text)
    except Unclear as problem:
        refuse(name, text, problem)


def _read(text: str) -> Condition:
    return _Parser(text).whole()


# Tokens


def tokens_of(text: str) -> list[Token]:
    """Split a text into words, signs, values and names; the last token is the end."""
    found: list[Token] = []
    at = _after_space(text, 0)
    while at < len(text):
        token, at = _token(text, at)
        found.append(token)
        at = _after_space(text, at)
    return [*found, Token("end", "", len(text.rstrip()))]


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _token(text: str, at: int) -> tuple[Token, int]:
    if text[at] in "\"'":
        value, end = read_quoted(text, at)
        return Token("value", text[at:end], at, Literal(value)), end
    if found := _SIGN.match(text, at):
        return Token("sign", _SIGNS.get(found[0], found[0]), at), found.end()
    if found := _NUMBER.match(text, at):
        return Token("value", found[0], at, Literal(_number(text, found))), found.end()
    if found := NAME.match(text, at):
        return _name(text, at, found)
    char = text[at]
    if char in _INSTEAD:
        raise Unclear(f"write '{_INSTEAD[char]}' instead of '{char}'", at)
    raise Unclear(f"'{short(char)}' is not understood here", at)


def _number(text: str, found: re.Match[str]) -> int | float:
    if NAME.match(text, found.end()) or text.startswith(".", found.end()):
        raise Unclear("this number is not understood; put strings in quotes", found.start())
    if len(found[0]) > _NUMBER_DIGITS:
        raise Unclear(f"a number has at most {_NUMBER_DIGITS:,} characters", found.start())
    if found[1] is None and found[2] is None:
        return int(found[0])
    number = float(found[0])
    if number in (float("inf"), float("-inf")):
        raise Unclear("this number is too large", found.start())
    return number


def _name(text: str, at: int, found: re.Match[str]) -> tuple[Token, int]:
    word, end = found[0], found.end()
    low = word.lower()
    if word in PAYLOADS:
        steps, end = read_steps(text, end)
        return Token("name", text[at:end], at, Path(word, steps)), end
    if text.startswith(".", end):
        hint = " and ".join(f"{root}.…" for root in PAYLOADS)
        raise Unclear(f"only payloads have paths: {hint}", at, "" if word in COLUMNS else _there())
    if low in _WORDS:
        return Token("word", low, at), end
    if low in _VALUES:
        return Token("value", word, at, Literal(_VALUES[low])), end
    if low in _NULLS:
        return Token("null", word, at), end
    if word in COLUMNS:
        return Token("name", word, at, Column(word)), end
    raise Unclear(_unknown(word), at, _there())


def _unknown(word: str) -> str:
    close = get_close_matches(word.lower(), [*COLUMNS, *PAYLOADS], 1)
    if close:
        return f"unknown name '{short(word, 40)}'; did you mean '{close[0]}'?"
    return f"unknown name '{short(word, 40)}'; put strings in quotes"


def _there() -> str:
    paths = ", ".join(f"{root}.…" for root in PAYLOADS)
    return f"known names: {paths}, {', '.join(COLUMNS)}"


# Conditions


class _Parser:
    """A place in the tokens of a text, and what may come next."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens_of(text)
        self.place = 0
        self.nested = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    @property
    def before(self) -> str:
        return f" after '{short(self.tokens[self.place - 1].text, 40)}'" if self.place else ""

    def take(self) -> Token:
        self.place += 1
        return self.tokens[self.place - 1]

    def takes(self, *texts: str) -> bool:
        """Take the next token if it is this word or sign, and those that follow it if so."""
        ahead = self.tokens[self.place : self.place + len(texts)]
        if [token.text for token in ahead if token.kind in ("word", "sign")] != [*texts]:
            return False
        self.place += len(texts)
        return True

    def expected(self, what: str) -> Unclear:
        return Unclear(f"expected {what}{self.before}", self.next.at)

    def whole(self) -> Condition:
        found = self.either()
        if self.next.kind != "end":
            raise self.expected("'and', 'or' or the end")
        return found

    def either(self) -> Condition:
        parts = [self.both()]
        while self.takes("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def both(self) -> Condition:
        parts = [self.one()]
        while self.takes("and"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def one(self) -> Condition:
        opened = self.next
        if opened.text not in ("not", "(") or opened.kind not in ("word", "sign"):
            return self.comparison()
        if self.nested == MOST_NESTED:
            raise Unclear(f"conditions nest at most {MOST_NESTED} levels", opened.at)
        self.nested += 1
        self.place += 1
        if opened.text == "not":
            found: Condition = Not(self.one())
        else:
            found = self.either()
            if not self.takes(")"):
                if self.next.kind == "end":
                    raise Unclear("this ( is never closed", opened.at)
                raise self.expected("'and', 'or' or ')'")
        self.nested -= 1
        return found

    def comparison(self) -> Condition:
        start = self.next
        left = self.operand("a condition")
        if self.takes("is", "not", "missing"):
            return Not(IsMissing(self.named(left, start)))
        if self.takes("is", "missing"):
            return IsMissing(self.named(left, start))
        if self.takes("is"):
            raise self.expected("'missing' or 'not missing'")
        if self.takes("not", "in"):
            return Not(self.among(self.named(left, start)))
        if self.takes("in"):
            return self.among(self.named(left, start))
        sign = self.next
        if self.takes("contains"):
            name = self.named(left, start)
            value = self.next
            right = self.operand("a value")
            self.check("contains", left, right, value)
            return Contains(name, right)
        if sign.kind != "sign" or sign.text not in _COMPARISONS:
            raise self.no_comparison(left, start)
        self.place += 1
        return self.compared(left, sign, start)

    def compared(self, left: Operand, sign: Token, start: Token) -> Condition:
        value = self.next
        if value.kind == "null":
            self.place += 1
            if sign.text not in ("=", "!="):
                raise Unclear(f"nothing is {sign.text} null; write 'is missing'", value.at)
            missing = IsMissing(self.named(left, start))
            return missing if sign.text == "=" else Not(missing)
        right = self.operand("a value")
        if isinstance(left, Literal) and isinstance(right, Literal):
            raise Unclear("a comparison needs a name, such as input.total or status", start.at)
        self.check(sign.text, left, right, start if isinstance(left, Literal) else value)
        if sign.text == "!=":
            return Not(Compare("=", left, right))
        return Compare(sign.text, left, right)

    def check(self, sign: str, left: Operand, right: Operand, at: Token) -> None:
        if problem := mismatch(sign, left, right):
            raise Unclear(problem, at.at)

    def no_comparison(self, left: Operand, start: Token) -> Unclear:
        if isinstance(left, Path) and (self.next.kind == "end" or self.next.text in ("and", "or")):
            return Unclear(f"expected a comparison{self.before}, such as = true", self.next.at)
        return self.expected("a comparison, such as = or >,")

    def operand(self, what: str) -> Operand:
        token = self.next
        if token.kind not in ("value", "name"):
            if token.kind == "null":
                raise Unclear("null is only compared by = and !=; write 'is missing'", token.at)
            raise self.expected(what)
        self.place += 1
        found: Operand = token.value
        return found

    def named(self, left: Operand, start: Token) -> Column | Path:
        if isinstance(left, Literal):
            raise Unclear("expected a name here, such as input.total or status", start.at)
        return left

    def among(self, left: Column | Path) -> In:
        opened = self.next
        if not self.takes("["):
            raise self.expected('a list, such as ["a", "b"],')
        values = []
        while True:
            token = self.next
            value = self.operand("a value")
            if not isinstance(value, Literal):
                raise Unclear("a list has only values, no names", token.at)
            self.check("=", left, value, token)
            values.append(value)
            if self.takes("]"):
                return In(left, tuple(values))
            if not self.takes(","):
                if self.next.kind == "end":
                    raise Unclear("this [ is never closed", opened.at)
                raise self.expected("',' or ']'")
