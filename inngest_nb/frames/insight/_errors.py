"""Errors that differ only in what varies from run to run are one group."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

# What may vary, and the signs that join two such parts to one. Each repetition is bounded or takes
# all that it can, so that long errors take no longer than their length.
_DIFFERS = "…"
_ATOM = re.compile(
    r"""(?<!\w)(?:'[^'\n]*'|"[^"\n]*"|`[^`\n]*`)(?!\w)
    |(?P<address>
        (?<!\w)[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s'"`]*[\w/]
        |(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+
    )
    |[\w-]+""",
    re.VERBOSE,
)
_QUOTES = frozenset("'\"`")
_JOINTS = frozenset((*".:,/@+", "::"))


def error_groups(errors: Iterable[str]) -> dict[str, str]:
    """Return for each error the text of its group, with `…` where its members differ."""
    members: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for error in dict.fromkeys(errors):
        fixed, varying = _split(error)
        members.setdefault(fixed, []).append((error, varying))
    text_of = {}
    for fixed, them in members.items():
        text = fixed[0]
        places = zip(*(varying for _, varying in them), strict=True)
        for values, behind in zip(places, fixed[1:], strict=True):
            text += (values[0] if len(set(values)) == 1 else _DIFFERS) + behind
        text_of.update(dict.fromkeys((error for error, _ in them), text))
    return text_of


def _split(error: str) -> tuple[tuple[str, ...], list[str]]:
    """Split a text into what is fixed and, between that, what may vary.

    Quoted text, addresses and words with a digit vary, those joined by a single sign as one:
    `10.0.0.1:80`.
    """
    spans: list[tuple[int, int]] = []
    for atom in _ATOM.finditer(error):
        start, end = atom.span()
        varies = atom["address"] or error[start] in _QUOTES
        if not varies and not any(map(str.isdigit, atom.group())):
            continue
        if spans and error[spans[-1][1] : start] in _JOINTS:
            start, _ = spans.pop()
        spans.append((start, end))
    edges = [0, *(edge for span in spans for edge in span), len(error)]
    pieces = [error[start:end] for start, end in pairwise(edges)]
    return tuple(pieces[::2]), pieces[1::2]
