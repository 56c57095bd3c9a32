"""The findings of a checkup, as text for a terminal or a cell."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from enum import StrEnum

_WIDTH = 80
_SUBJECT = 18


class Level(StrEnum):
    """Whether a finding is fine, worth knowing, or needs action."""

    OK = "ok"
    NOTE = "note"
    TO_DO = "to do"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked, and what to do if there is a problem."""

    level: Level
    subject: str
    words: str
    cure: str = ""

    def __str__(self) -> str:
        head = f"{self.level:<6} {self.subject:<{_SUBJECT}} "
        lines = _wrapped(self.words, head)
        if self.cure:
            lines += _wrapped(self.cure, " " * len(head) + "-> ")
        return "\n".join(lines)


@dataclass(frozen=True)
class Checkup:
    """All findings; its text fits 80 columns."""

    findings: tuple[Finding, ...]

    @property
    def to_do(self) -> int:
        """The number of findings that need action."""
        return sum(finding.level is Level.TO_DO for finding in self.findings)

    def __str__(self) -> str:
        things = "1 thing" if self.to_do == 1 else f"{self.to_do} things"
        end = f"{things} to do, marked above." if self.to_do else "No problems found."
        return "\n".join([*map(str, self.findings), "", end])

    __repr__ = __str__


def _wrapped(words: str, head: str) -> list[str]:
    """Wrap text, but don't break addresses and paths, which are meant to be copied."""
    return textwrap.wrap(
        words,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
