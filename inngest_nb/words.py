"""How values read, in every view: status words, times, durations, text that plays no tricks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

# Each word has a mark, so that no meaning hangs on colour, and a tone for the stylesheet.
_STATUS_LOOKS = {
    "queued": ("○", "idle"),
    "running": ("◐", "busy"),
    "completed": ("✓", "good"),
    "failed": ("✕", "bad"),
    "canceled": ("⊘", "idle"),
    "": ("·", "idle"),
    # Beyond a workflow's words: those of activities, steps, signals and timers.
    "waiting": ("◔", "idle"),
    "abandoned": ("⊘", "idle"),
    "stopped here": ("⊘", "idle"),
    "received": ("◆", "busy"),
    "fired": ("◷", "idle"),
}
_UNKNOWN_LOOK = ("?", "idle")

# The colours of the tones where no theme gives any: apart also for eyes that don't tell red from
# green, and readable on white as on black.
TONE_COLOURS = {"good": "#1b9e77", "bad": "#d95f02", "busy": "#3b82c4", "idle": "#7f7f7f"}

# Joiners are invisible too, but emoji and several scripts are written with them.
_JOINERS = "\u200c\u200d"


class Excerpt(NamedTuple):
    """The beginning of a text, and how many characters were left out."""

    text: str
    more: int


def visible(text: str, keep: str = "") -> str:
    r"""Write characters that cannot be seen as escapes, as in `a\nb`; those in `keep` stay.

    Among them are the marks that make text run backwards and so pass for another.
    """
    if text.isprintable():
        return text
    stays = _JOINERS + keep
    unseen = {char for char in set(text) if not char.isprintable() and char not in stays}
    return text.translate({ord(char): _escape(char) for char in unseen})


def visible_lines(text: str) -> str:
    """Write characters that cannot be seen as escapes, and keep line breaks, tabs and spaces."""
    return visible(text.replace("\r\n", "\n"), keep="\n\t\u00a0\u3000")


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def excerpt(text: str, size: int = 2_000) -> Excerpt:
    """Cut a long text at `size` characters."""
    return Excerpt(text[:size], max(0, len(text) - size))


def short(text: str, size: int = 60) -> str:
    """Fit a text into one short line, with … where something was left out of its middle."""
    text = visible(text)
    if len(text) <= size:
        return text
    tail = size // 3
    return f"{text[: size - tail - 1]}…{text[len(text) - tail :]}"


def store_name(store: Any) -> str:
    """Name a store: ours by its repr, another only by its class, for its repr may hold a password.

    Subclasses of ours count as others.
    """
    kind = type(store)
    ours = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    return repr(store) if ours else f"{visible(kind.__name__)}()"


def left_out_text(unreadable: Mapping[str, str], most: int = 3) -> str:
    """Say which workflows are not shown because they cannot be read, and why."""
    count = len(unreadable)
    what = "1 workflow is" if count == 1 else f"{count:,} workflows are"
    named = _named(unreadable, most)
    return f"{what} left out, because what is stored cannot be read: {named}"


def unreadable_text(unreadable: Mapping[str, str], most: int = 3) -> str:
    """Say which workflows cannot be read, and why."""
    return f"{count_text(len(unreadable), 'workflow')} cannot be read: {_named(unreadable, most)}"


def _named(unreadable: Mapping[str, str], most: int) -> str:
    named = [f"{short(key, 40)} ({short(why)})" for key, why in list(unreadable.items())[:most]]
    count = len(unreadable)
    return ", ".join(named) + (f", and {count - most:,} more" if count > most else "")


def status_mark(word: str) -> str:
    """Return the mark that stands before a status word."""
    return _STATUS_LOOKS.get(word, _UNKNOWN_LOOK)[0]


def status_tone(word: str) -> str:
    """Return the tone of a status word: one of good, bad, busy, idle."""
    return _STATUS_LOOKS.get(word, _UNKNOWN_LOOK)[1]


def status_text(word: str) -> str:
    """Return a status as it stands in views: its mark and its word."""
    return f"{status_mark(word)} {short(word, 40) or 'not set'}"


def status_choice(word: str) -> str:
    """Return a status as in lists: the word first, so that typing its first letter finds it."""
    return f"{short(word, 40) or 'not set'} {status_mark(word)}"


def event_word(kind: str) -> str:
    """Return the word of an event that has a mark: the status of what it reports."""
    word = kind.rpartition("_")[2]
    return "running" if word == "started" else word


def folded(text: str) -> str:
    """Write a text on one line, with its spaces and line breaks folded."""
    return " ".join(text.split())


def time_text(time: datetime | None) -> str:
    """Return a time in UTC, to the second, or "not set"."""
    if time is None:
        return "not set"
    try:
        time = time.astimezone(UTC)
    except OverflowError:  # the first and last hours of the calendar, in another zone
        return time.isoformat(" ", "seconds")
    return time.replace(tzinfo=None).isoformat(" ", "seconds") + " UTC"


def duration_text(duration: timedelta) -> str:
    """Return a duration in the two units that matter most: `850 ms`, `3 min 20 s`, `2 d 4 h`."""
    if duration < timedelta():
        return "-" + duration_text(-duration)
    seconds = duration.total_seconds()
    if seconds < 0.9995:  # what would be rounded to 1,000 is of the next unit
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for size, unit, next_size, next_unit in _UNITS:
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{whole} s"


def change_text(duration: timedelta) -> str:
    """Return a difference of two durations with its sign: `+1.2 s`, `-3 min`."""
    if abs(duration) < timedelta(milliseconds=1):
        return "±0 ms"
    return ("+" if duration > timedelta() else "") + duration_text(duration)


_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


def share_text(part: float) -> str:
    """Return a share as people say it; only all is 100%, and only nothing is 0%."""
    if part in (0, 1):
        return f"{part * 100:.0f}%"
    if part < 0.001:
        return "< 0.1%"
    if part < 0.01 or part > 0.99:
        return f"{min(part, 0.999) * 100:.1f}%"
    return f"{part * 100:.0f}%"


def count_text(count: int, noun: str) -> str:
    """Return a count with its noun: `1 event`, `1,234 events`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def in_columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Align rows of text as columns, those in `right` at their ends; a row of one cell stays."""
    full = [row for row in rows if len(row) > 1]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    return [
        "  ".join(
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        if len(row) > 1
        else row[0]
        for row in rows
    ]
