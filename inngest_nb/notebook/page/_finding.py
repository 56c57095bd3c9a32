"""How workflows are found by the words that somebody types: one search for every view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

__all__ = ["having", "words_of"]


class _Found(Protocol):
    @property
    def words(self) -> str: ...


_Any = TypeVar("_Any", bound=_Found)


def words_of(workflow_id: str, run_id: str, status: str, error: str) -> str:
    """Return the text of a workflow that a search looks at, folded to one case."""
    return f"{workflow_id}\n{run_id}\n{status}\n{error}".casefold()


def having(workflows: Iterable[_Any], typed: str) -> list[_Any]:
    """Return those whose `words` have every word that was typed."""
    found = list(workflows)
    for word in typed.casefold().split():
        found = [one for one in found if word in one.words]
    return found
