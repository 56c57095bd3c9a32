"""The findings of a checkup, as text for a terminal or a cell."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from inngest_nb import words

_WIDTH = 80
_SUBJECT = 18
_COMMAND = re.compile(r"`[^`]{1,60}`")
_SPACE = "\0"  # stands for a space at which no line ends; visible text has none


class Level(StrEnum):
    """Whether a finding is fine, worth knowing, or needs action."""

    OK = "ok"
    NOTE = "note"
    TO_DO = "to do"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked, and what to do if there is a problem.

    `code` are lines of Python that can be run as they stand.
    """

    level: Level
    subject: str
    words: str
    cure: str = ""
    code: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{self.level:<6} {self.subject:<{_SUBJECT}} "
        lines = _wrapped(self.words, head)
        if self.cure:
            lines += _wrapped(self.cure, " " * len(head) + "-> ")
        lines += [" " * (len(head) + 3) + words.visible(line) for line in self.code]
        return "\n".join(lines)


@dataclass(frozen=True)
class Checkup:
    """All findings; its text fits 80 columns, but for code and addresses.

    `frames` has the rows behind the findings of a real Inngest server, by their subjects:
    `checkup["zombies"]` is a DataFrame, `list(checkup)` the subjects that have one.
    """

    findings: tuple[Finding, ...]
    frames: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def to_do(self) -> int:
        """The number of findings that need action."""
        return sum(finding.level is Level.TO_DO for finding in self.findings)

    @property
    def verdict(self) -> str:
        """How many findings need action, in words."""
        things = "1 thing" if self.to_do == 1 else f"{self.to_do} things"
        return f"{things} to do, marked above." if self.to_do else "No problems found."

    @property
    def pointer(self) -> str:
        """How to get at the rows behind the findings; empty where there are none."""
        first = next((each.subject for each in self.findings if each.level is Level.TO_DO), None)
        name = first if first in self.frames else next(iter(self.frames), None)
        return f"The rows behind each line: result[{name!r}] and so on." if name else ""

    def __getitem__(self, subject: str) -> Any:
        try:
            return self.frames[subject]
        except KeyError:
            known = ", ".join(map(repr, self.frames)) or "none"
            raise KeyError(f"no frame {subject!r}; this checkup has {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.frames)

    def __str__(self) -> str:
        ends = filter(None, [self.verdict, self.pointer])
        return "\n".join([*map(str, self.findings), "", *ends])

    __repr__ = __str__


def _wrapped(said: str, head: str) -> list[str]:
    """Wrap text, but don't break addresses, paths and commands, which are meant to be copied."""
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", _SPACE), words.visible(said))
    lines = textwrap.wrap(
        whole,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_SPACE, " ") for line in lines]
