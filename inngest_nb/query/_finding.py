"""How workflows are found by the words that somebody types: one search for every view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

__all__ = ["has_words", "having", "typed_words", "words_of"]


class _Found(Protocol):
    @property
    def words(self) -> str: ...


_Any = TypeVar("_Any", bound=_Found)


def words_of(
    workflow_id: str, run_id: str, status: str, error: str, workflow: str = "", step: str = ""
) -> str:
    """Return the text of a workflow that a search looks at, folded to one case."""
    return f"{workflow_id}\n{run_id}\n{status}\n{error}\n{workflow}\n{step}".casefold()


def typed_words(typed: str) -> list[str]:
    """Return the words of a search, folded to one case."""
    return typed.casefold().split()


def has_words(text: str, typed: Sequence[str]) -> bool:
    """Tell whether a text from `words_of` has every word of a search."""
    return all(word in text for word in typed)


def having(workflows: Iterable[_Any], typed: str) -> list[_Any]:
    """Return those whose `words` have every word that was typed."""
    wanted = typed_words(typed)
    return [one for one in workflows if has_words(one.words, wanted)]
