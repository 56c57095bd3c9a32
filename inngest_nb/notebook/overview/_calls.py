"""The lines of Python that show more of what a picture names, to be copied as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from inngest_nb.words import visible

__all__ = ["Calls"]

_MOST = 200  # characters of a name in code; a line with a longer one could not be read

_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1)}


@dataclass(frozen=True, slots=True)
class Calls:
    """What to write for more, where the reader calls what the overview is of by this `name`.

    A frame is asked itself; for a store and for states, a frame is made first. Only a store can
    load one workflow.
    """

    name: str

    def frame(self, status: str | Sequence[str] = "", workflow: str = "") -> str:
        """Make the frame of all workflows, or of those of a status, or of several, and a name."""
        given = [(key, word) for key, word in (("status", status), ("workflow", workflow)) if word]
        if self.name == "df":
            chosen = (f"df[{literal(key)}]{_equal_to(word)}" for key, word in given)
            return self.name + "".join(f".loc[lambda df: {rows}]" for rows in chosen)
        named = (f"{key}={_written(word)}" for key, word in given)
        return f"inb.frame({', '.join([self.name, *named])})"

    def answer(self, question: str, status: str = "") -> str:
        """Ask the frame a question, such as `errors()`, which is about rows of a status only."""
        return f"{self.frame('' if self.name == 'df' else status)}.wf.{question}"

    def activities(self, question: str) -> str:
        """Ask the activities a question, such as `slowest()`."""
        return f"inb.activity_frame({self.name}).wf.{question}"

    def stuck(self, longer_than: timedelta) -> str:
        """Ask for what was not updated for so long."""
        return self.answer(f"stuck(longer_than={literal(_spelled(longer_than))})")

    def waiting(self) -> str:
        """Make the frame of what waits for a signal, those that wait longest first."""
        if self.name != "df":
            where = "where='waiting_for = \"signal\"'"
            return f'inb.frame({self.name}, {where}, sort="updated_at")'
        return (
            f'{self.name}.loc[lambda df: df["waiting_for"] == "signal"].sort_values("updated_at")'
        )

    def workflow(self, workflow_id: str) -> str:
        """Show one workflow; "" where its id is too long to be written."""
        if len(workflow_id) > _MOST:
            return ""
        if self.name == "store":
            return f"inb.timeline(store.load({literal(workflow_id)}))"
        column = literal("workflow_id")
        return f"{self.frame()}.loc[lambda df: df[{column}] == {literal(workflow_id)}]"

    def named(self, workflow: str, status: str | Sequence[str] = "") -> str:
        """Make the frame of the workflows of a name; "" where that is too long to be written."""
        return self.frame(status, workflow) if 0 < len(workflow) <= _MOST else ""


def _spelled(span: timedelta) -> str:
    """Write a duration as the arguments of ours take it: `1h`, `90min`, `45s`."""
    for unit, size in _UNITS.items():
        if span >= size and not span % size:
            return f"{span // size}{unit}"
    return f"{span.total_seconds():g}s"


def _equal_to(words: str | Sequence[str]) -> str:
    """Compare a column with a word, or with several."""
    written = _written(words)
    return f" == {written}" if isinstance(words, str) else f".isin({written})"


def _written(words: str | Sequence[str]) -> str:
    """Write a word, or a list of several, as Python does."""
    return literal(words) if isinstance(words, str) else f"[{', '.join(map(literal, words))}]"


def literal(text: str) -> str:
    """Write a text as Python's literal, with escapes for what cannot be seen."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{visible(escaped)}"'
