"""Is everything all right? An overview's answer in a few lines: what, where and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inngest_nb.notebook.overview._numbers import Counted, Numbers
from inngest_nb.notebook.overview._reading import Material
from inngest_nb.notebook.overview._sections import name_text
from inngest_nb.words import duration_text, left_out_text, share_text

__all__ = ["Said", "Verdict", "change_mark", "verdict_of"]

_ERROR = 100  # characters
_MANY = 3  # failures of a new group that are worth a line
_FEW = 10  # below, a percentage says less than the number


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the verdict, with the status word whose mark and tone it has."""

    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer in one line, and a line for each thing that is wrong, or waits for somebody.

    `word` is the status word whose mark and tone it has: completed, failed, or queued where there
    is nothing to judge.
    """

    word: str
    headline: str
    lines: tuple[Said, ...]


def verdict_of(material: Material, numbers: Numbers) -> Verdict:
    """Judge what an overview tells."""
    failed, stuck = numbers.failed.now, _sum(numbers.stuck)
    waiting, unreadable = _sum(numbers.waiting), len(material.unreadable)
    lines = []
    if failed:
        said = _failed(material, numbers), _new(material, numbers)
        lines += [Said("failed", text) for text in said if text]
    if stuck:
        lines.append(Said("failed", _stuck(material, numbers, stuck)))
    if unreadable:
        lines.append(Said("failed", left_out_text(material.unreadable)))
    if waiting:
        lines.append(Said("waiting", _waiting(material, numbers, waiting)))
    wrong = [
        f"{failed:,} failed" if failed else "",
        f"{stuck:,} {_are(stuck)} stuck" if stuck else "",
        f"{unreadable:,} cannot be read" if unreadable else "",
    ]
    waits = f"{waiting:,} {_are(waiting)} waiting for a person" if waiting else ""
    if any(wrong):
        return Verdict("failed", ", ".join(filter(None, [*wrong, waits])), tuple(lines))
    if not (numbers.started.now or numbers.ended.now or numbers.open):
        length = material.window.length
        return Verdict("queued", f"Nothing ran in the last {length}", tuple(lines))
    waits = waits or "nothing is waiting for a person"
    return Verdict(
        "completed", f"All is well: nothing failed, nothing is stuck, {waits}", tuple(lines)
    )


def _failed(material: Material, numbers: Numbers) -> str:
    counted, length = numbers.failed, material.window.length
    share = share_text(counted.now / numbers.ended.now)
    worst = _first(numbers.failures)
    return (
        f"{counted.now:,} failed: {share} of those that ended, {_change_text(counted, length)}. "
        f"{_most(worst, counted.now)} {_group(material, worst)}"
    )


def _new(material: Material, numbers: Numbers) -> str:
    """Tell of failures that there were none of in the previous span, if the worst are not those."""
    groups = numbers.failures
    fresh = groups[groups["before"] == 0]
    if fresh.empty or fresh.index[0] == groups.index[0] or not numbers.failed.before:
        return ""
    worst = _first(fresh)
    if worst.count < _MANY:
        return ""
    many = f"{len(fresh):,} groups of failures are new; the largest" if len(fresh) > 1 else "New"
    return f"{many} ({worst.count:,} times): {_group(material, worst)}"


def _group(material: Material, group: Any) -> str:
    """Tell of a group of failures: whose, why, how often, since when."""
    window = material.window
    error = name_text(group.error, _ERROR)
    why = f"\u201c{error}\u201d" if error else "no error text"
    said = f"{name_text(group.workflow) or 'no name'}, {why}"
    if group.before:
        before = f"{group.before:,} in the previous {window.length}"
        return f"{said}, last seen {window.when(group.last_seen)} ({before})"
    return f"{said}, since {window.when(group.first_seen)}"


def _stuck(material: Material, numbers: Numbers, count: int) -> str:
    worst = _first(numbers.stuck)
    step = f" in {name_text(worst.step)}" if name_text(worst.step) else ""
    waits = f", waiting for {_kind(worst.waiting_for)}" if name_text(worst.waiting_for) else ""
    return (
        f"{count:,} {_are(count)} stuck: not updated for {duration_text(numbers.stuck_after)}. "
        f"{_most(worst, count)} {name_text(worst.workflow) or 'no name'}{step}{waits} "
        f"(for {duration_text(worst.longest)}, since {material.window.when(worst.oldest)})"
    )


def _waiting(material: Material, numbers: Numbers, count: int) -> str:
    oldest = _first(numbers.waiting.sort_values("longest", ascending=False, kind="stable"))
    signal = name_text(oldest.signal)
    which = "is waiting for a person:" if count == 1 else "are waiting for a person; the longest:"
    return (
        f"{count:,} {which} {name_text(oldest.example)}, "
        f"for {f'the signal {signal}' if signal else 'a signal'}, "
        f"since {material.window.when(oldest.oldest)}"
    )


def _first(groups: Any) -> Any:
    return next(groups.itertuples())


def _most(group: Any, of: int) -> str:
    if group.count == of:
        return "All of them:" if of > 1 else "It is"
    return f"{group.count:,} of them:"


def _kind(waiting_for: Any) -> str:
    word = name_text(waiting_for)
    return {"activity": "an activity", "retry": "a retry"}.get(word, word)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _sum(groups: Any) -> int:
    return int(groups["count"].sum())


# Compared with the previous span


def _change_text(counted: Counted, length: str) -> str:
    """Compare with the previous span, so long: `12% more than in the previous 24 h`."""
    now, then = counted.now, counted.before
    before = f"in the previous {length}"
    if now == then:
        return f"as many as {before}"
    if then < _FEW:
        return f"{then or 'none'} {before}"
    if now >= 2 * then:
        return f"{_times(now, then)} times as many as {before}"
    return f"{_percent(now, then)}% {'more' if now > then else 'fewer'} than {before}"


def change_mark(counted: Counted) -> str:
    """Compare with the previous span in short: `▲ 12%`, `▼ 3 before`, `as before`."""
    now, then = counted.now, counted.before
    if now == then:
        return "as before" if now else ""
    mark = "▲" if now > then else "▼"
    if then < _FEW:
        return f"{mark} {then or 'none'} before"
    if now >= 2 * then:
        return f"{mark} {_times(now, then)}\u00d7"
    return f"{mark} {_percent(now, then)}%"


def _times(now: int, then: int) -> str:
    times = now / then
    return f"{times:.1f}" if times < 10 else f"{times:,.0f}"


def _percent(now: int, then: int) -> int:
    """Return by how much it changed; 0 only for what did not change."""
    return max(1, round(100 * abs(now - then) / then))
