"""What a notebook gets of two runs beside each other: a frame, HTML that survives, and text."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from form_driver import Reading
from frame_states import NOON, after, go_states, history, state
from hostile_strings import HOSTILE_STRINGS

import inngest_nb as inb
from inngest_nb import AsyncInngestStore, HistoryEvent, SqliteStore, WorkflowState, compare, wire
from inngest_nb.state import ForkOrigin

ORDER = state(
    "order-1",
    input={"order": 1, "amount": 10},
    result={"charged": 10},
    created_at=after(0),
    updated_at=after(3),
    history=history(
        ("workflow_started", "", 0),
        ("activity_started", "reserve", 0, {"input": {"order": 1}}),
        ("activity_completed", "reserve", 1, {"result": "B-12"}),
        ("activity_started", "charge", 1, {"input": {"amount": 10}}),
        ("activity_completed", "charge", 2, {"result": {"charged": 10}}),
        ("activity_started", "send", 2),
        ("activity_completed", "send", 3),
        ("workflow_completed", "", 3),
    ),
)
# The same, where the bank said no once, somebody was asked, and nothing was sent.
FORK = state(
    "order-1-fork",
    status="failed",
    error="nobody there",
    input={"order": 1, "amount": 10},
    created_at=after(0),
    updated_at=after(9),
    forked_from=ForkOrigin(workflow_id="order-1", run_id="r", event_id=3),
    history=history(
        ("workflow_started", "", 0),
        ("activity_started", "reserve", 0, {"input": {"order": 1}}),
        ("activity_completed", "reserve", 1, {"result": "B-12"}),
        ("activity_started", "charge", 1, {"input": {"amount": 99}}),
        ("activity_failed", "charge", 2, {"error": "card declined"}),
        ("activity_started", "charge", 3, {"input": {"amount": 99}}),
        ("activity_completed", "charge", 6, {"result": {"charged": 99}}),
        ("signal_received", "", 7, {"signal_name": "approve", "signal_payload": {"by": "Ada"}}),
        ("workflow_failed", "", 9),
    ),
)
COLUMNS = [
    *["kind", "name", "found_in", "differs", "duration_change"],
    *[
        f"{name}_{side}"
        for name in (
            *["outcome", "attempt_count", "duration"],
            *["error", "input", "result", "event_id"],
        )
        for side in "ab"
    ],
]


def html(comparison: Any) -> str:
    return str(comparison._repr_mimebundle_()["text/html"])


def reading(markup: str) -> str:
    """Return what is left when a viewer strips the stylesheet and the tags."""
    return " ".join(Reading(re.sub(r"<style.*?</style>", "", markup, flags=re.DOTALL)).text.split())


def test_the_frame_has_the_runs_and_then_their_steps() -> None:
    frame = compare(ORDER, FORK).frame
    assert list(frame.columns) == COLUMNS
    shown = frame[["kind", "name", "found_in", "differs"]].astype(object).values.tolist()
    assert shown[:3] == [
        ["workflow", "order-1", "both", "status, result, error"],
        ["activity", "reserve", "both", pytest.approx(float("nan"), nan_ok=True)],
        ["activity", "charge", "both", "input, result, error, attempts"],
    ]
    assert shown[3:] == [
        ["activity", "send", "a", "only in A"],
        ["signal", "approve", "b", "only in B"],
    ]
    charge = frame.iloc[2]
    assert (charge["duration_a"], charge["duration_change"]) == (
        timedelta(seconds=1),
        timedelta(seconds=4),
    )
    assert (charge["attempt_count_a"], charge["attempt_count_b"]) == (1, 2)
    assert (charge["input_b"], charge["result_b"]) == ({"amount": 99}, {"charged": 99})
    assert (charge["event_id_a"], charge["event_id_b"]) == (5, 7)
    assert charge["error_b"] == "attempt 1: card declined"
    assert frame["result_b"].iloc[4] == {"by": "Ada"}


def test_the_columns_have_the_same_types_for_empty_runs_and_for_full_ones() -> None:
    nothing = compare(state("a"), state("b", status="")).frame
    assert [*nothing.dtypes.items()][:3] == [*compare(ORDER, FORK).frame.dtypes.items()][:3]
    kinds = {column: str(kind) for column, kind in nothing.dtypes.items()}
    assert kinds["duration_a"] == kinds["duration_change"] == "timedelta64[us]"
    assert kinds["attempt_count_b"] == kinds["event_id_a"] == "Int64"
    assert kinds["input_a"] == "object"
    assert kinds["outcome_a"] == "category"
    assert {"source", "fetched_at", "filter", "truncated"} == set(nothing.attrs)


def test_it_says_at_a_glance_where_the_runs_part() -> None:
    words = reading(html(compare(ORDER, FORK)))
    assert "First difference: charge (input, result, error and attempts)" in (words)
    assert "4 steps: 1 the same, 1 differs, 1 only in A, 1 only in B" in words
    assert "B took 6 s longer: 9 s instead of 3 s" in words
    assert "B was forked from A after event 3" in words
    fork = words.index("forked here, after event 3")
    assert words.index("= reserve") < fork < words.index("≠ charge")


def test_plain_text_tells_the_same() -> None:
    assert repr(compare(ORDER, FORK)).splitlines() == [
        "First difference: charge (input, result, error and attempts)",
        "A is order-1, B is order-1-fork",
        "4 steps: 1 the same, 1 differs, 1 only in A, 1 only in B",
        "B took 6 s longer: 9 s instead of 3 s",
        "B was forked from A after event 3",
        "≠  as a whole      ✓ completed, 3 s  ✕ failed, 9 s                 +6 s (status, result, error)",
        "=  reserve         ✓ completed, 1 s  ✓ completed, 1 s              ±0 ms",
        "↳  forked here, after event 3",
        "≠  charge          ✓ completed, 1 s  ✓ completed, 2 attempts, 5 s  +4 s (input, result, error, attempts)",
        "-  send            ✓ completed, 1 s  missing                       (only in A)",
        "+  signal approve  missing           ◆ received                    (only in B)",
    ]


def test_equal_runs_are_said_to_be_equal() -> None:
    twin = compare(ORDER, ORDER.replace(workflow_id="order-2"))
    assert not twin.differs
    assert "No differences" in reading(html(twin))
    assert "Both took 3 s" in repr(twin)
    other = compare(ORDER, ORDER.replace(result={"charged": 11}))
    assert other.differs
    assert "Same steps; the runs differ in result" in repr(other)


def test_a_run_without_a_history_is_said_to_have_none() -> None:
    words = repr(compare(ORDER, state("go-1", result={"charged": 10})))
    assert "B has no history to compare" in words
    assert "(missing in B)" in words
    assert "No steps to compare" in repr(compare(state("a", result=1), state("b")))


@pytest.mark.parametrize("one", go_states(), ids=lambda one: f"{len(one.history)} events")
def test_every_go_state_can_be_compared(one: WorkflowState) -> None:
    twin = compare(one, one, now=NOON)
    assert not twin.differs
    assert compare(one, ORDER, now=NOON).differs
    assert "<table" in html(twin)


def test_a_short_difference_stands_in_place_and_a_long_one_line_by_line() -> None:
    def run(result: object) -> WorkflowState:
        return ORDER.replace(
            history=history(("activity_completed", "sum", 1, {"result": result})), result=None
        )

    markup = html(compare(run(1), run(2)))
    assert "<details open><summary>result</summary>" in markup
    assert "<del>1</del> → <ins>2</ins>" in markup
    long = {f"key {n}": n for n in range(30)}
    words = reading(html(compare(run(long), run(long | {"key 15": "x"}))))
    assert '- "key 15": 15, + "key 15": "x",' in words
    assert "… 14 lines" in words


def test_a_payload_that_is_the_same_is_folded_and_cut_with_a_word() -> None:
    same = ORDER.replace(input="x" * 5_000)
    words = reading(html(compare(same, same)))
    assert "… 4,602 more characters not shown here" in words
    assert compare(same, same).frame["input_a"].iloc[0] == "x" * 5_000


def many(count: int, **changed: Any) -> WorkflowState:
    return ORDER.replace(
        history=tuple(
            HistoryEvent(
                id=n,
                type="activity_completed",
                activity_name="part",
                seq=n,
                result=changed.get(f"n{n}", n),
            )
            for n in range(1, count + 1)
        )
    )


def test_of_a_long_run_what_is_the_same_is_left_out_and_said() -> None:
    comparison = compare(many(1_000), many(1_000, n500="other"))
    lines = repr(comparison).splitlines()
    assert [line.strip() for line in lines if "…" in line] == [
        "… 492 steps without differences",
        "… 493 steps without differences",
    ]
    assert len(lines) < 30
    assert len(comparison.frame) == 1_001


def test_of_long_runs_only_what_is_shown_is_made_readable() -> None:
    """However long the runs: the first of 10,000 calls is compared, not indented."""
    short_page, page = (len(html(compare(many(n), many(n)))) for n in (1_000, 10_000))
    assert abs(page - short_page) < 200
    comparison = compare(many(10_000), many(10_000, n5000={"other": 1}))
    html(comparison)
    results = [step.result for pair in comparison._sides.pairs for step in (pair.a, pair.b) if step]
    assert 0 < sum("text" in vars(result) for result in results) < 50


def test_the_document_of_each_run_is_written_once() -> None:
    class Model:
        dumps = 0

        def model_dump(self, mode: str) -> dict[str, int]:
            Model.dumps += 1
            return {"n": 1}

    a, b = (many(10).replace(input=Model()) for _ in range(2))
    assert not compare(a, b).differs
    assert Model.dumps == 2


def test_of_very_many_differences_the_first_are_shown_and_the_rest_counted() -> None:
    other = many(1_000, **{f"n{n}": "other" for n in range(1, 1_001)})
    comparison = compare(many(1_000), other)
    assert "… 920 steps not shown, 920 of them different; .frame has all" in repr(comparison)
    assert len(html(comparison)) < 200_000
    assert comparison.frame["differs"].notna().sum() == 1_000


def test_ids_are_looked_up_in_a_store(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "state.db") as store:
        store.save(ORDER)
        store.save(FORK)
        assert repr(compare("order-1", "order-1-fork", store=store)) == repr(compare(ORDER, FORK))
        with pytest.raises(ValueError, match="the store has no workflow 'order-9'"):
            compare(ORDER, "order-9", store=store)


def test_a_document_without_a_history_is_compared(tmp_path: Path) -> None:
    bare = wire.decode(b'{"WorkflowID": "order-0", "Status": "completed"}')
    assert repr(compare(bare, ORDER)).startswith("First difference: ")
    assert "A has no history to compare" in repr(compare(bare, ORDER))


def test_what_cannot_be_compared_is_refused_with_words() -> None:
    with pytest.raises(TypeError, match="got None, which load"):
        compare(ORDER, None)
    with pytest.raises(TypeError, match="needs store= to look up the id 'order-1'"):
        compare("order-1", ORDER)
    with pytest.raises(ValueError, match="needs a zone"):
        compare(ORDER, FORK, now=NOON.replace(tzinfo=None))
    store: Any = AsyncInngestStore(base_url="http://127.0.0.1:9")
    with pytest.raises(TypeError, match="compare cannot await"):
        compare("order-1", ORDER, store=store)


def test_runs_of_our_executor_are_compared_by_their_calls() -> None:
    with inb.Executor() as executor:
        states = []
        for failures in (2, 0):
            given = {"bank_failures": failures, "speed": 1_000}
            handle = executor.execute(inb.samples.order, input=given)
            handle.result()
            states.append(handle.state)
    frame = compare(*states).frame.set_index("name")
    assert list(frame["found_in"]) == ["both"] * 4
    assert frame.loc["charge_card", ["attempt_count_a", "attempt_count_b"]].tolist() == [3, 1]
    assert "attempts" in frame.loc["charge_card", "differs"]
    assert pd.isna(frame.loc["send_parcel", "error_a"])


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_hostile_strings_add_no_tag(hostile: str) -> None:
    def comparison(text: str) -> Any:
        def run(more: str) -> WorkflowState:
            events = history(
                ("activity_started", text, 0, {"input": {text: more}}),
                ("activity_failed", text, 1, {"error": text + more}),
                ("signal_received", "", 2, {"signal_name": text, "signal_payload": text}),
                ("timer_fired", text, 2),
                ("activity_completed", text + more, 2, {"result": [text]}),
            )
            return WorkflowState(
                workflow_id=text + more, run_id=text, status=text, error=text, history=events,
                input=text, result={text: more},
            )  # fmt: skip

        origin = ForkOrigin(workflow_id=text, run_id="other", event_id=1)
        return compare(run(""), run("x").replace(forked_from=origin))

    markup = html(comparison(hostile))
    assert Reading(markup).shape == Reading(html(comparison("x" * len(hostile)))).shape
    assert hostile[:20] in Reading(markup).text


def test_text_that_runs_backwards_or_hides_is_made_visible() -> None:
    bad = "a\u202eb\x00"
    one = ORDER.replace(workflow_id=bad, error=bad, result=bad, input={bad: bad})
    comparison = compare(one, ORDER.replace(history=()))
    for text in (html(comparison), repr(comparison)):
        assert not {"\u202e", "\x00"} & set(text)
