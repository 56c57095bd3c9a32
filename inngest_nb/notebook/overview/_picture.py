"""All that an overview shows at one moment, as texts and places for the template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from inngest_nb.notebook.overview._chart import Chart, chart_of
from inngest_nb.notebook.overview._numbers import Numbers, numbers_of
from inngest_nb.notebook.overview._reading import Material
from inngest_nb.notebook.overview._sections import Section, sections_of
from inngest_nb.notebook.overview._verdict import Verdict, change_mark, verdict_of
from inngest_nb.words import count_text, share_text, short, time_text

__all__ = ["Count", "Picture", "picture_of"]


@dataclass(frozen=True, slots=True)
class Count:
    """A number with its label, and how it compares, or what of it is worth knowing."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Picture:
    """An overview in texts. `note` tells of a live picture that it is one, or what keeps it."""

    of: str
    verdict: Verdict
    counts: tuple[Count, ...]
    chart: Chart | None
    sections: tuple[Section, ...]
    remarks: tuple[str, ...]
    note: str = ""


def picture_of(material: Material, stuck_after: timedelta, note: str = "") -> Picture:
    """Draw what was read."""
    numbers, window = numbers_of(material, stuck_after), material.window
    source = f"{material.source}, " if material.source else ""
    return Picture(
        of=f"{source}the last {window.length} as of {time_text(window.until)}",
        verdict=verdict_of(material, numbers),
        counts=_counts(numbers),
        chart=chart_of(numbers.began, window),
        sections=sections_of(material, numbers),
        remarks=tuple(_remarks(material, numbers)),
        note=note,
    )


def _counts(numbers: Numbers) -> tuple[Count, ...]:
    failed, ended = numbers.failed, numbers.ended
    share = f"{share_text(failed.now / ended.now)} of those that ended" if failed.now else ""
    asleep = f"{numbers.sleeping:,} waiting for a timer" if numbers.sleeping else ""
    return (
        Count("Started", f"{numbers.started.now:,}", change_mark(numbers.started)),
        Count("Ended", f"{ended.now:,}", change_mark(ended)),
        Count("Failed", f"{failed.now:,}", ", ".join(filter(None, [change_mark(failed), share]))),
        Count("Still open", f"{numbers.open:,}", asleep),
    )


def _remarks(material: Material, numbers: Numbers) -> list[str]:
    window, remarks = material.window, []
    if numbers.started.before or numbers.ended.before:
        remarks.append(f"Compared with the previous {window.length}. Times are in UTC.")
    else:
        remarks.append(f"Nothing ran in the previous {window.length}. Times are in UTC.")
    if numbers.others:
        named = ", ".join(
            f"{count:,} {short(word, 40) or 'not set'}"
            for word, count in [*numbers.others.items()][:3]
        )
        total = count_text(sum(numbers.others.values()), "workflow")
        remarks.append(f"{total} with an unknown status: {named}.")
    if numbers.early:
        remarks.append(
            f"{count_text(numbers.early, 'workflow')} began in the future: a clock is wrong."
        )
    if material.timeless:
        left_out = count_text(material.timeless, "workflow")
        remarks.append(f"{left_out} left out: neither the start nor the end is known.")
    if not material.listed:
        remarks.append("Only what this client saved or refreshed: its server cannot list.")
    return remarks
