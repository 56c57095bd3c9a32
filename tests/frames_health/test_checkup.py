"""What a checkup of a real Inngest server finds, and the rows behind each line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hostile_strings import HOSTILE_STRINGS
from manual_clock import ManualClock
from story_records import story
from story_server import EVENT_KEY, SIGNING_KEY
from story_troubles import TroubledServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.errors import InngestAuthError
from inngest_nb.findings import Checkup, Finding, Level
from inngest_nb.frames.health._checkup import examine
from inngest_nb.notebook.page import output

# A moment after the story: `checkup` itself is as of now, whenever that is.
SOON = datetime(2026, 11, 22, 19, 24, tzinfo=UTC)
LATER = SOON + timedelta(days=40)
SUBJECTS = [
    "server", "access", "workers", "functions", "zombies", "limits", "queue", "failures", "history",
]  # fmt: skip
UNFINISHED = ["limited0", "limited1", "limited2", "long_stays", "wait_pending"]


@pytest.fixture
def names() -> dict[str, str]:
    """The ids of the story's runs, by their names."""
    return dict(story().names)


@pytest.fixture
def server() -> Iterator[TroubledServer]:
    with TroubledServer() as server:
        yield server


@pytest.fixture
def api(server: TroubledServer) -> Iterator[InngestAPI]:
    with InngestAPI(server.url) as api:
        yield api


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
    assert found["zombies"].attrs["truncated"]
    asked = Counter(seen.target.rpartition("/")[2] for seen in server.seen)
    assert asked["jobs"] == 2
    with TroubledServer() as healthy, InngestAPI(healthy.url) as its:
        few = line(inb.checkup(its, limit=2), "zombies")
    assert few.code[-1] == "inb.checkup(api, limit=None)"


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
        "1 run of nb-lab/tiny could start, for 5 min now, but nothing takes it: the app seems to "
        "be away (nb-lab)"
    )


def test_an_app_whose_runs_end_is_not_away() -> None:
    clock = ManualClock()
    clock.set(datetime(2026, 11, 22, 19, 22, 30, tzinfo=UTC))
    with TroubledServer(now=clock.now) as server, InngestAPI(server.url) as api:
        api.send("lab/tiny")  # before all that the story has
        assert to_do(examine(api, None, SOON)) == []


def test_a_function_that_no_app_has_any_more_is_told(
    api: InngestAPI, names: dict[str, str]
) -> None:
    functions = story().functions
    gone = next(each for each in functions if each["id"] == "long-job")
    place = functions.index(gone)
    functions.remove(gone)
    try:
        found = inb.checkup(api)
    finally:
        functions.insert(place, gone)
    assert to_do(found) == ["functions"]
    assert list(found["functions"]["run_id"]) == [names["long_stays"]]
    assert "belongs to a function that no app has registered" in line(found, "functions").words


def test_without_graphql_it_cannot_tell_which_workers_are_connected(api: InngestAPI) -> None:
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


# Who may ask


def test_a_self_hosted_server_whose_graphql_answers_everyone_is_told() -> None:
    with (
        TroubledServer("cloud") as open_,
        TroubledServer("cloud", ui=False) as closed,
        InngestAPI(open_.url, SIGNING_KEY) as first,
        InngestAPI(closed.url, SIGNING_KEY) as second,
    ):
        told, fine = inb.checkup(first), inb.checkup(second)
    assert to_do(told) == ["access"]
    assert "whoever reaches this port can read, cancel" in line(told, "access").words
    assert "--no-ui" in line(told, "access").cure
    assert list(told["access"]["answers_without_key"]) == [True]
    assert line(fine, "access").level is Level.OK
    asked = [seen for seen in open_.seen + closed.seen if seen.target in ("/v0/gql", "/metrics")]
    assert len(asked) == 4
    assert not [seen for seen in asked if "authorization" in seen.headers]


def test_a_key_that_is_missing_is_asked_for() -> None:
    with TroubledServer("cloud") as server, InngestAPI(server.url) as api:
        with pytest.raises(InngestAuthError, match="requires a signing key, but none is set"):
            inb.checkup(api)


def test_no_key_is_in_what_it_says() -> None:
    with TroubledServer("cloud") as server:
        server.lose_jobs(UNFINISHED)
        with InngestAPI(server.url, SIGNING_KEY, EVENT_KEY) as api:
            found = inb.checkup(api)
    shown = str(found) + repr(found.findings) + str(output("findings", checkup=found))
    shown += "".join(f"{found[name]}{found[name].attrs}" for name in found)
    assert SIGNING_KEY not in shown
    assert SIGNING_KEY.rpartition("-")[2] not in shown
    assert EVENT_KEY not in shown
    assert "InngestAPI(" not in "".join(line(found, "zombies").code)  # the reader's own has the key


# How it looks


def test_each_line_has_a_frame(api: InngestAPI) -> None:
    found = inb.checkup(api)
    assert list(found) == SUBJECTS
    assert {each.subject for each in found.findings} == {*SUBJECTS}
    assert {found[name].attrs["source"] for name in found} == {repr(api)}
    with pytest.raises(KeyError, match=r"no frame 'zombie'; this checkup has 'server', 'access'"):
        found["zombie"]


def test_empty_frames_have_the_same_columns_and_types(
    server: TroubledServer, api: InngestAPI
) -> None:
    healthy = inb.checkup(api)
    server.lose_jobs(UNFINISHED)
    server.forget_answers()
    ill = inb.checkup(api)
    assert len(ill["zombies"]) == 5
    for name in SUBJECTS:
        assert dict(healthy[name].dtypes) == dict(ill[name].dtypes), name


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_text_is_escaped_and_its_code_is_only_a_text(text: str) -> None:
    with TroubledServer() as server, InngestAPI(server.url) as api:
        row = server.state.runs.rows[story().names["long_stays"]]
        item = row.record.item | {"function": {"id": text}, "app": {"id": text}}
        record = type(row.record)(item, row.record.detail, {}, row.record.v1, [], ())
        server.state.runs.put(row._replace(record=record))
        found = inb.checkup(api)
        assert list(found["zombies"]["function"]) == [text]
        html = str(output("findings", checkup=found))
    assert set(re.findall(r"<\s*(\w+)", html)) <= {"style", "div", "span", "b", "pre", "p"}
    assert all(each.isprintable() for each in str(found).splitlines())
