"""An overview in plain text, for terminals, logs and notebooks' plain outputs."""

from __future__ import annotations

from collections.abc import Iterator

from inngest_nb.notebook.overview._picture import Picture
from inngest_nb.notebook.overview._sections import Section
from inngest_nb.words import in_columns, status_mark, visible

__all__ = ["plain_text"]


def plain_text(picture: Picture) -> str:
    """Give the verdict, the counts and the tables as lines of text."""
    verdict = picture.verdict
    lines = [
        f"Overview of {visible(picture.of)}",
        f"{status_mark(verdict.word)} {visible(verdict.headline)}",
        *(f"  {status_mark(said.word)} {visible(said.text)}" for said in verdict.lines),
        ", ".join(
            f"{count.label.lower()} {count.value}" + (f" ({count.note})" if count.note else "")
            for count in picture.counts
        ),
    ]
    if picture.chart is not None:
        lines.append(visible(picture.chart.caption))
    for section in picture.sections:
        lines += ["", *_section(section)]
    return "\n".join([*lines, "", *map(visible, picture.remarks), *filter(None, [picture.note])])


def _section(section: Section) -> Iterator[str]:
    yield ": ".join(filter(None, [section.title, visible(section.said)]))
    rows = [[head.text for head in section.heads], *(line.cells for line in section.lines)]
    right = [place for place, head in enumerate(section.heads) if head.is_number]
    for text in in_columns(rows, right):
        yield f"  {visible(text)}"
    if section.rest:
        yield f"  {section.rest}"
    yield f"  {section.call}"
