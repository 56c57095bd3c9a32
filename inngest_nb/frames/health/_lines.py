"""What a checkup says about runs: each line, and the code that shows or fixes what it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from inngest_nb import words
from inngest_nb.findings import Finding, Level
from inngest_nb.frames.health._failures import Failures, Rise
from inngest_nb.frames.health._unfinished import Looked, Unfinished

_NAMED = 3  # functions that a line names
_LONG = timedelta(hours=1)  # for which a run may wait for its turn before it is worth a note
_OLD = timedelta(days=30)

Lines = tuple[str, ...]


def zombies(looked: Looked, client: Lines) -> Finding:
    """Say which runs the server will never continue."""
    found = looked.zombies
    if not found:
        said = f"none among {_among(looked)}"
        return Finding(Level.OK, "zombies", said, *_more(looked, client))
    have = "has" if len(found) == 1 else "have"
    return Finding(
        Level.TO_DO,
        "zombies",
        f"{_runs(found)} {have} not ended and {have} no job left, so the server will never "
        f"continue {'it' if len(found) == 1 else 'them'}; {_among(looked)} were checked",
        "a server that restarts may lose its queue; cancel these runs, and rerun those that are "
        "still needed:",
        (
            *client,
            'plan = inb.cancel_runs(inb.checkup(api)["zombies"], api)',
            "print(plan)",
            "plan.run()",
        ),
    )


def limits(
    looked: Looked, found: Sequence[Unfinished], said: Mapping[str, str], now: datetime
) -> Finding:
    """Say which runs wait because others of their function are under way."""
    if not found:
        none = f"among {_among(looked)}, none waits behind a concurrency limit or a throttle"
        return Finding(Level.OK, "limits", none)
    longest = _longest(found, now)
    texts = [f"{name}: {text}" for name, text in said.items()]
    return Finding(
        Level.NOTE if longest > _LONG else Level.OK,
        "limits",
        f"{_runs(found)} wait{'s' * (len(found) == 1)} behind a limit, "
        f"{'for' if len(found) == 1 else 'the longest for'} {words.duration_text(longest)} "
        f"({'; '.join(texts[:_NAMED])}){_if_cut(looked)}",
        "if that is too long, raise the limit in the function's configuration, or see whether a "
        "run that holds it is stuck"
        if longest > _LONG
        else "",
    )


def functions(
    looked: Looked, gone: Sequence[Unfinished], untaken: Sequence[Unfinished], now: datetime
) -> list[Finding]:
    """Say which functions have runs that no app works on."""
    found = []
    if gone:
        found.append(
            Finding(
                Level.TO_DO,
                "functions",
                f"{_runs(gone)} belong{'s' * (len(gone) == 1)} to a function that no app "
                f"registers any more{_if_cut(looked)}",
                "start the version of the app that has this function, or cancel these runs",
            )
        )
    if untaken:
        apps = ", ".join(sorted({words.short(each.run.app) for each in untaken})[:_NAMED])
        found.append(
            Finding(
                Level.TO_DO,
                "functions",
                f"{_runs(untaken)} {'has' if len(untaken) == 1 else 'have'} been ready to start "
                f"{'for' if len(untaken) == 1 else 'the longest for'} "
                f"{words.duration_text(_longest(untaken, now))}, but nothing takes "
                f"{'it' if len(untaken) == 1 else 'them'}: the app seems to be offline ({apps})"
                f"{_if_cut(looked)}",
                "start the app or its worker, and check that the server can reach it; the runs "
                "then start by themselves",
            )
        )
    said = f"among {_among(looked)}, none has lost its function and none waits for its app"
    return found or [Finding(Level.OK, "functions", said)]


def rising(found: Failures, client: Lines) -> list[Finding]:
    """Say which functions fail more often than before."""
    if not found.days_before:
        said = "there are no runs older than a day to compare with"
        return [Finding(Level.OK, "failures", said)]
    clear = found.clear
    if not clear:
        said = f"no function fails more often than in the previous {_days(found.days_before)}"
        return [Finding(Level.OK, "failures", said)]
    return [_rise(rise, found, client) for rise in clear[:_NAMED]]


def _rise(rise: Rise, found: Failures, client: Lines) -> Finding:
    time = "day" if found.days >= 1 else _days(found.days)
    return Finding(
        Level.TO_DO,
        "failures",
        f"{_name(rise.app, rise.function)} failed {words.count_text(rise.failed, 'time')} in the "
        f"last {time} ({rise.a_day:,.1f} a day), compared with {rise.a_day_before:,.1f} a day in "
        f"the previous {_days(found.days_before)}",
        "see what its errors have in common:",
        (
            *client,
            f'found = inb.search_runs(api, status="failed", app={rise.app!r}, '
            f'function={rise.function!r}, since="24h", outputs=True)',
            "found.wf.errors()",
        ),
    )


def oldest(moment: datetime | None, now: datetime, client: Lines) -> Finding:
    """Say how old the history is."""
    if moment is None:
        return Finding(Level.OK, "history", "the server has no runs yet")
    age = max(now - moment, timedelta())
    said = (
        f"the oldest run is from {words.time_text(moment)}, {words.duration_text(age)} ago; the "
        "server never deletes any"
    )
    if age <= _OLD:
        return Finding(Level.OK, "history", said)
    cure = (
        "for each page, the server scans every run between since and until, so keep that range "
        "short:"
    )
    return Finding(
        Level.NOTE, "history", said, cure, (*client, 'inb.search_runs(api, since="24h")')
    )


def _more(looked: Looked, client: Lines) -> tuple[str, Lines]:
    """Say how to look at all runs where some were left out."""
    if not looked.truncated:
        return "", ()
    said = "to check all of them, with one or two requests each:"
    return said, (*client, "inb.checkup(api, limit=None)")


def _among(looked: Looked) -> str:
    count = len(looked.runs)
    if looked.truncated:
        return f"the {count:,} oldest unfinished runs (there are more)"
    return words.count_text(count, "unfinished run")


def _if_cut(looked: Looked) -> str:
    return f"; only {_among(looked)} were looked at" if looked.truncated else ""


def _runs(found: Sequence[Unfinished]) -> str:
    """Count runs, and name their functions."""
    names = Counter(_name(each.run.app, each.run.function) for each in found)
    count = words.count_text(len(found), "run")
    if len(names) == 1:
        return f"{count} of {next(iter(names))}"
    named = ", ".join(f"{name} ({times:,})" for name, times in names.most_common(_NAMED))
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{count} of {len(names)} functions, {named}{more},"


def _name(app: str, function: str) -> str:
    return f"{words.short(app, 40)}/{words.short(function, 40)}"


def _longest(found: Iterable[Unfinished], now: datetime) -> timedelta:
    since = [moment for each in found if (moment := each.waits_since()) is not None]
    return max(now - min(since), timedelta()) if since else timedelta()


def _days(days: float) -> str:
    return words.duration_text(timedelta(days=days))
