"""What a checkup of a real Inngest server finds, and the rows behind each line."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from manual_clock import ManualClock
from story_troubles import TroubledServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.findings import Checkup, Finding, Level
from inngest_nb.frames.health._checkup import examine

# A moment after the story: `checkup` itself is as of now, whenever that is.
SOON = datetime(2026, 11, 22, 19, 24, tzinfo=UTC)
LATER = SOON + timedelta(days=40)
SUBJECTS = [
    "server", "access", "workers", "functions", "zombies", "limits", "queue", "failures", "history",
]  # fmt: skip
UNFINISHED = ["limited0", "limited1", "limited2", "long_stays", "wait_pending"]


def line(found: Checkup, subject: str) -> Finding:
    (line,) = [each for each in found.findings if each.subject == subject]
    return line


def to_do(found: Checkup) -> list[str]:
    return [each.subject for each in found.findings if each.level is Level.TO_DO]


# Zombies


@pytest.mark.parametrize("now", [SOON, LATER], ids=["soon", "later"])
def test_the_storys_zombie_is_named_and_nothing_else_of_it(
    server: TroubledServer, api: InngestAPI, names: dict[str, str], now: datetime
) -> None:
    """The sleeping run, of which a restart has lost the job; others sleep, wait or queue."""
    assert to_do(examine(api, None, now)) == []
    server.lose_jobs(["long_stays"])
    server.forget_answers()
    found = examine(api, None, now)
    assert to_do(found) == ["zombies"]
    assert list(found["zombies"]["run_id"]) == [names["long_stays"]]
    assert line(found, "zombies").words == (
        "1 run of nb-lab/long-job has not ended and has no job left, so the server will never "
        "continue it; 5 unfinished runs were checked"
    )


def test_after_a_restart_all_that_had_not_ended_are_zombies(
    server: TroubledServer, api: InngestAPI, names: dict[str, str]
) -> None:
    server.lose_jobs(UNFINISHED)
    found = inb.checkup(api)
    assert set(found["zombies"]["run_id"]) == {names[name] for name in UNFINISHED}
    assert "5 runs of 3 functions, nb-lab/limited (3)," in line(found, "zombies").words
    assert found["limits"].empty


def test_its_advice_is_code_that_mends_them(
    server: TroubledServer, monkeypatch: pytest.MonkeyPatch, names: dict[str, str]
) -> None:
    monkeypatch.setenv("INNGEST_BASE_URL", server.url)
    server.lose_jobs(["long_stays", "wait_pending"])
    advice = line(inb.checkup(), "zombies")
    server.forget_answers()
    exec("import inngest_nb as inb\n" + "\n".join(advice.code))  # noqa: S102
    with InngestAPI() as api:
        assert api.run(names["long_stays"]).status == "canceled"
        assert inb.checkup(api)["zombies"].empty


def test_a_run_that_ends_while_it_is_looked_at_is_none(names: dict[str, str]) -> None:
    """The list is older than the answer about its jobs."""

    class EndsMeanwhile(TroubledServer):
        def _answer(self, seen: Any) -> Any:
            if seen.target.endswith("/jobs") and names["long_stays"] in seen.target:
                with self.state.lock:
                    self.state.cancel(names["long_stays"])
            return super()._answer(seen)

    with EndsMeanwhile() as server, InngestAPI(server.url) as api:
        assert inb.checkup(api)["zombies"].empty
        assert api.run(names["long_stays"]).status == "canceled"


def test_a_run_that_has_just_begun_is_none(server: TroubledServer, api: InngestAPI) -> None:
    server.lose_jobs(UNFINISHED)
    begun = datetime(2026, 11, 22, 19, 22, 42, tzinfo=UTC)
    assert examine(api, None, begun)["zombies"].empty


def test_a_run_that_is_waiting_is_shown_with_what_it_waits_for(api: InngestAPI) -> None:
    queue = inb.checkup(api)["queue"].set_index("job")
    assert dict(queue["runs"]) == {"pause": 1, "sleep": 1, "start": 3}


def test_no_more_runs_are_looked_at_than_asked_for(server: TroubledServer, api: InngestAPI) -> None:
    server.lose_jobs(UNFINISHED)
    found = inb.checkup(api, limit=2)
    assert len(found["zombies"]) == 2
    assert "the 2 oldest unfinished runs (there are more) were checked" in str(
        line(found, "zombies").words
    )
    assert found["zombies"].attrs["truncated_because"] == "newer runs left out by limit="
    assert not found["server"].attrs["truncated"]
    asked = Counter(seen.target.rpartition("/")[2] for seen in server.seen)
    assert asked["jobs"] == 2
    with TroubledServer() as healthy, InngestAPI(healthy.url) as its:
        few = line(inb.checkup(its, limit=2), "zombies")
    assert few.code[-1] == "inb.checkup(api, limit=None)"


def test_many_unfinished_runs_cost_no_more_requests_than_are_allowed() -> None:
    """They are queued of one function; each has its job, so that each is one request."""
    clock = ManualClock()
    clock.set(SOON)
    with TroubledServer(now=clock.now) as server, InngestAPI(server.url) as api:
        api.send_many([{"name": "lab/tiny"}] * 1_000)
        before = len(server.seen)
        found = examine(api, 300, SOON + timedelta(minutes=5))
        assert len(server.seen) - before < 300 + 20
    assert len(found["functions"]) == 295  # the story's five are older
    assert "the 300 oldest unfinished runs (there are more)" in line(found, "zombies").words


@pytest.mark.parametrize("limit", [0, -1, 2.5, "all"])
def test_a_limit_that_is_none_is_refused_before_anything_is_asked(
    server: TroubledServer, api: InngestAPI, limit: Any
) -> None:
    with pytest.raises(ValueError, match="limit must be a number above 0, such as 100, or None"):
        inb.checkup(api, limit=limit)
    assert server.seen == []


# Apps and workers


def test_an_app_that_is_away_is_told_by_a_run_that_nobody_takes() -> None:
    clock = ManualClock()
    clock.set(SOON)
    with TroubledServer(now=clock.now) as server, InngestAPI(server.url) as api:
        api.send("lab/tiny")
        at_once = examine(api, None, SOON + timedelta(seconds=30))
        later = examine(api, None, SOON + timedelta(minutes=5))
    assert to_do(at_once) == []
    assert to_do(later) == ["functions"]
    assert list(later["functions"]["function"]) == ["tiny"]
    assert line(later, "functions").words == (
        "1 run of nb-lab/tiny has been ready to start for 5 min, but nothing takes it: the app "
        "seems to be offline (nb-lab)"
    )


def test_a_limit_that_nobody_uses_is_not_why_a_run_waits(names: dict[str, str]) -> None:
    clock = ManualClock()
    clock.set(SOON)
    with TroubledServer(now=clock.now) as server, InngestAPI(server.url) as api:
        for name in ("limited0", "limited1", "limited2"):
            api.cancel(names[name])
        api.send("lab/limited", {"tenant": "t1"})
        found = examine(api, None, SOON + timedelta(minutes=5))
    assert to_do(found) == ["functions"]
    assert list(found["functions"]["function"]) == ["limited"]
    assert found["limits"].empty


def test_an_app_whose_runs_end_is_not_away() -> None:
    clock = ManualClock()
    clock.set(datetime(2026, 11, 22, 19, 22, 30, tzinfo=UTC))
    with TroubledServer(now=clock.now) as server, InngestAPI(server.url) as api:
        api.send("lab/tiny")  # before all that the story has
        assert to_do(examine(api, None, SOON)) == []


def test_a_function_that_no_app_has_any_more_is_told(
    server: TroubledServer, api: InngestAPI, names: dict[str, str]
) -> None:
    row = server.state.runs.rows[names["long_stays"]]
    item = row.record.item | {"function": {"id": "an-old-name"}}
    server.state.runs.put(row._replace(record=replace(row.record, item=item)))
    found = inb.checkup(api)
    assert to_do(found) == ["functions"]
    assert list(found["functions"]["run_id"]) == [names["long_stays"]]
    assert "belongs to a function that no app registers any more" in line(found, "functions").words


def test_without_graphql_it_cannot_tell_which_workers_are_connected() -> None:
    with TroubledServer(ui=False) as server, InngestAPI(server.url) as api:
        found = inb.checkup(api)
    assert line(found, "workers").level is Level.NOTE
    assert line(found, "workers").words.startswith("cannot tell whether one is connected for nb-l")
    assert list(found["workers"]["app"]) == ["nb-lab-connect"]
    assert found["workers"]["workers"].isna().all()


# Limits, the queue, the history


def test_runs_behind_a_limit_are_told_with_the_limit(
    api: InngestAPI, names: dict[str, str]
) -> None:
    found = examine(api, None, SOON)
    assert set(found["limits"]["run_id"]) == {names["limited0"], names["limited2"]}
    assert line(found, "limits").level is Level.OK
    assert "(nb-lab/limited: 1 at a time per event.data.tenant)" in line(found, "limits").words
    assert line(examine(api, None, LATER), "limits").level is Level.NOTE


@pytest.mark.parametrize(
    ("depth", "level", "words"),
    [
        (0, Level.OK, "0 items"),
        (4, Level.OK, "4 items"),
        (1_001, Level.NOTE, "1,001 items"),
        (None, Level.NOTE, "cannot tell"),
    ],
)
def test_the_depth_of_the_queue_is_told(depth: int | None, level: Level, words: str) -> None:
    with TroubledServer(depth=depth) as server, InngestAPI(server.url) as api:
        found = line(inb.checkup(api), "queue")
    assert (found.level, found.words.startswith(words)) == (level, True)


def test_the_age_of_the_history_is_told(api: InngestAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    soon, later = (line(examine(api, None, now), "history") for now in (SOON, LATER))
    assert soon.words.startswith("the oldest run is from 2026-11-22 19:22:39 UTC, 1 min 21 s ago")
    assert (soon.level, later.level) == (Level.OK, Level.NOTE)
    assert "40 d" in later.words
    exec("import inngest_nb as inb\n" + "\n".join(later.code))  # noqa: S102
