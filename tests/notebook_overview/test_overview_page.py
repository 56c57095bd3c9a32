"""The page of an overview: small, safe, and its lines of Python do what they promise."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from form_driver import Reading
from hostile_strings import HOSTILE_STRINGS
from overview_driver import NOW, Shown, ago, frame, state, step

import inngest_nb as inb
from inngest_nb import MemoryStore, SqliteStore, WorkflowState


def crowd(count: int) -> pd.DataFrame:
    """A frame of many workflows of 50 names, with 1,000 errors and ids of 4,000 characters."""
    luck = random.Random(7)
    base = frame([state("order-1", "failed", error="x")])
    places = range(count)
    ids = [f"workflow-{place % 50}-{'x' * 3_970}-{place}" for place in range(min(count, 2_000))]
    statuses = luck.choices(["failed", "completed", "running"], k=count)
    began = [NOW - timedelta(minutes=luck.randrange(3_000)) for _ in places]
    rows = base.iloc[[0] * count].reset_index(drop=True)
    rows = rows.assign(
        workflow_id=[ids[place % len(ids)] for place in places],
        workflow=[f"workflow-{place % 50}-{'n' * 400}" for place in places],
        status=pd.Categorical(statuses),
        created_at=pd.Series(began, dtype="datetime64[us, UTC]"),
        updated_at=pd.Series(began, dtype="datetime64[us, UTC]"),
        error=[f"error of the kind {place % 1_000 * 'k'}{'e' * 2_000}" if place % 3 else None for place in places],
        step=[f"step-{place % 90}-{'s' * 300}" for place in places],
        waiting_for=pd.Categorical([["activity", "signal", None][place % 3] for place in places]),
        signal=[f"signal-{place % 70}-{'s' * 300}" for place in places],
    )  # fmt: skip
    rows.attrs.update(base.attrs)
    return rows


def test_a_page_of_very_many_workflows_stays_small() -> None:
    rows = crowd(20_000)
    rows.attrs["unreadable"] = {f"lost-{number}-{'i' * 4_000}": "w" * 900 for number in range(500)}
    seen = Shown(inb.overview(rows, since="20h"))
    assert len(seen.html.encode()) < 60_000
    assert len(seen.plain) < 20_100
    assert seen.tables.keys() == {"Failures", "Stuck", "Waiting for a person", "Workflows"}


def hostile_store(text: str) -> MemoryStore:
    store = MemoryStore()
    for number, status in enumerate(("failed", "running", text, "completed")):
        times = {"began": ago(hours=3), "ended": ago(hours=2)}
        events = step(text, ago(hours=3), ended=None if status == "running" else ago(hours=2))
        name = f"{text}-{number}"
        store.save(state(name, status, error=text, history=events, **times))
    return store


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_a_hostile_string_adds_no_tag_and_no_attribute(hostile: str) -> None:
    def shape(text: str) -> tuple[list[Any], str]:
        rows = inb.frame(hostile_store(text))
        rows.attrs["fetched_at"] = NOW.isoformat()
        rows.attrs["source"] = text
        rows.attrs["unreadable"] = {text: text}
        reading = Reading(inb.overview(rows)._repr_mimebundle_()["text/html"])
        return reading.shape, reading.text

    harmless, _ = shape("x" * len(hostile))
    found, said = shape(hostile)
    assert found == harmless
    assert hostile[:12] in said


def test_a_text_cannot_turn_its_direction_or_hide() -> None:
    rows = inb.frame(hostile_store("a\u202ebc\u2066\x00d"))
    html = inb.overview(rows)._repr_mimebundle_()["text/html"]
    assert not {"\u202e", "\u2066", "\x00"} & set(html)


class TellingStore(MemoryStore):
    """A store whose repr holds the address of its database."""

    def __repr__(self) -> str:
        return "TellingStore('postgres://ann:hunter2@db/states')"


def test_no_key_and_no_payload_is_in_a_page() -> None:
    store = TellingStore()
    secret = {"card": "4111 1111 1111 1111"}
    store.save(state("order-1", "failed", input=secret, result=secret, error="no money"))
    seen = Shown(inb.overview(store, since="4000d"))
    assert "hunter2" not in seen.html + seen.plain
    assert "4111" not in seen.html + seen.plain
    assert "TellingStore()" in seen.text


# The lines of Python

NAMES = [
    "order",
    'a "quoted" name',
    "back\\slash",
    "über-税",
    "new\nline",
    "tab\t'x'",
    "\u202eturned",
]


def troubled(name: str) -> list[WorkflowState]:
    return [
        state(f"{name}-1", "failed", error="no money"),
        state(f"{name}-2", "running", history=step(name, ago(hours=1)), ended=ago(days=3)),
        state(f"{name}-3", history=step(name, ago(hours=1), ended=ago(minutes=59))),
    ]


def test_the_lines_beside_what_is_stuck_find_what_is_queued_too() -> None:
    old = state("order-1", "queued", began=ago(days=3))
    store = MemoryStore()
    store.save(old)
    (line, _) = (call for call in Shown(inb.overview(store)).calls if "order" in call)
    assert line == 'inb.frame(store, status=["running", "queued"], workflow="order")'
    assert len(results([line], store=store)[0]) == 1
    rows = inb.frame(old)
    (line, _) = (call for call in Shown(inb.overview(rows)).calls if "order" in call)
    assert len(results([line], df=rows)[0]) == 1


def results(calls: list[str], **names: Any) -> list[Any]:
    """Run each line as somebody would who pasted it."""
    return [eval(call, {"inb": inb, **names}) for call in calls]  # noqa: S307  # our own


@pytest.mark.parametrize("name", NAMES)
def test_each_line_of_a_store_s_page_runs_and_finds_what_stands_beside_it(name: str) -> None:
    store = MemoryStore()
    for one in troubled(name):
        store.save(one)
    seen = Shown(inb.overview(store, since="4000d"))
    found = results(seen.calls, store=store)
    frames = [each for each in found if isinstance(each, pd.DataFrame)]
    assert len(frames) >= 6
    assert [call for call, each in zip(seen.calls, found, strict=True) if not len(repr(each))] == []
    assert all(len(each) for each in frames)
    timelines = [call for call in seen.calls if "timeline" in call]
    shown = {
        repr(each).splitlines()[0].partition(": ")[0] for each in results(timelines, store=store)
    }
    assert len(shown) == 3
    assert all(each.startswith(name[:3]) or "\\" in each for each in shown)


@pytest.mark.parametrize("name", NAMES)
def test_each_line_of_a_frame_s_and_of_states_page_runs(name: str) -> None:
    rows = frame(troubled(name))
    for found in results(Shown(inb.overview(rows)).calls, df=rows):
        assert len(found)
    states = troubled(name)
    for found in results(Shown(inb.overview(states, since="4000d")).calls, states=states):
        assert len(found)


def test_an_id_that_is_too_long_to_read_has_no_line_of_its_own() -> None:
    store = MemoryStore()
    store.save(state(f"order-{'9' * 900}", "failed", error="no money"))
    seen = Shown(inb.overview(store, since="4000d"))
    assert "timeline" not in seen.html
    assert 'inb.frame(store, status="failed").wf.errors(by="workflow")' in seen.calls


def test_plain_text_has_the_verdict_the_tables_and_their_lines(tmp_path: Any) -> None:
    with SqliteStore(tmp_path / "states.db") as store:
        for one in troubled("order"):
            store.save(one)
        said = repr(inb.overview(store, since="4000d")).splitlines()
    assert said[1] == "✕ 1 failed, 1 is stuck"
    assert "Failures: 1 in 1 group" in said
    assert '  inb.frame(store).wf.stuck(longer_than="1h")' in said
