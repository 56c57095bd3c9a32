"""Answers as people see them: in a cell, in a terminal, and as the plain frames that they are."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answer_frames import called, ran, read_at
from form_driver import Reading
from frame_states import after
from hostile_strings import HOSTILE_STRINGS
from insight_frames import run, runs

import inngest_nb as inb
from inngest_nb import samples

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
STATES = [
    *(ran(f"order-{n}", n, 200) for n in range(3)),
    ran("order-3", 3, 5, "failed", error="card 17\ndeclined"),
    ran("import-1", 0, 0, "running"),
]
ROWS = read_at(inb.frame(STATES), after(7_200))
MANY = inb.frame(samples.states(300, seed=4, now=NOW))


def lines(answer: pd.DataFrame) -> list[list[str]]:
    """Return the words of each line of an answer's text, two blanks or more apart."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in repr(answer).splitlines()
    ]


def test_durations_and_shares_read_as_people_say_them() -> None:
    text = lines(ROWS.wf.summary(by="workflow"))
    assert text[0][:5] == ["workflow", "count", "failed", "share_failed", "running"]
    assert text[0][5:] == ["p50", "p90", "p99", "max"]
    assert text[1][:5] == ["order", "4", "1", "25%", "0"]
    assert text[1][5:] == ["3 min 20 s"] * 4
    assert text[2] == ["import", "1", "0", "1"]
    html = Reading(ROWS.wf.summary(by="workflow")._repr_html_())
    assert "order 4 1 25% 0 3 min 20 s" in " ".join(html.text.split())


def test_a_status_has_its_mark_and_what_is_missing_is_said() -> None:
    assert lines(ROWS.wf.summary())[2][0] == "✓ completed"
    assert lines(ROWS.wf.summary(by="step"))[1][0] == "not set"
    nothing = Reading(ROWS.wf.stuck()._repr_html_()).text
    assert "NaN" not in nothing
    assert "NaT" not in nothing


def test_times_are_as_short_as_they_can_be() -> None:
    by_hour, by_day = ROWS.wf.over_time("1h"), ROWS.wf.over_time("1d")
    assert lines(by_hour)[0][0] == "start (UTC, 2025)"
    assert lines(by_hour)[1][0] == "Jul 14 12:00"
    assert lines(by_day)[1][0] == "Jul 14"
    assert lines(ROWS.wf.over_time(30))[1][0] == "Jul 14 13:50:30"
    assert "Jul 14 12:00:08" in repr(ROWS.wf.errors())


def test_an_error_keeps_its_lines() -> None:
    assert "card 17\ndeclined" in Reading(ROWS.wf.errors()._repr_html_()).text
    assert "card 17 declined" in repr(ROWS.wf.errors())
    long = inb.frame(ran("order-1", 0, 1, "failed", error="x" * 5_000)).wf.errors()
    assert "4,600 more characters" in repr(long)


def test_numbers_stand_at_the_right_and_text_at_the_left() -> None:
    html = ROWS.wf.errors()._repr_html_()
    assert html.count('<th class="inb-number">') == 2  # count and share
    assert '<td class="inb-number">1</td>' in html
    assert '<td class="inb-text">card' in html


def test_rows_of_the_frame_are_shown_as_df_wf_shows_them() -> None:
    late = ROWS.wf.late("3min")
    assert late._repr_html_() == late.wf._repr_html_()
    assert "2 h so far" in repr(late)
    assert lines(late)[1][-2:] == ["3 min", "1 h 57 min so far"]
    assert "order-1" in repr(ROWS.wf.slowest(3))


def test_a_long_answer_is_bounded_and_says_so_the_last_spans_count_most() -> None:
    by_id = MANY.wf.summary(by="workflow_id")
    assert len(repr(by_id).splitlines()) == 22
    assert "The first 20 of 300 rows, as of 20" in repr(by_id)
    spans = MANY.wf.over_time("1h")
    assert f"The last 20 of {len(spans)} rows" in spans._repr_html_()
    assert f"{spans.index[-1]:%b %d %H:%M}" in repr(spans)
    assert f"{spans.index[0]:%b %d %H:%M}" not in repr(spans)
    wide = inb.frame(ran("<&\u202e\n" * 50_000, 0, 1, "failed", error="<&\u202e\n" * 50_000))
    rows = pd.concat([wide.assign(workflow=f"{n}" + wide["workflow"]) for n in range(40)])
    for answer in (rows.wf.errors(by="workflow"), rows.wf.summary(by=["workflow", "workflow_id"])):
        assert len(answer._repr_html_()) < 60_000
        assert len(repr(answer)) < 40_000


def test_an_answer_says_what_its_frame_lacks() -> None:
    cut = inb.frame(samples.fill(inb.MemoryStore(), 9), limit=3).wf.summary()
    assert "older ones left out by limit=" in repr(cut)
    empty = inb.frame([]).wf.stuck()
    assert repr(empty).startswith("0 rows, as of 20")
    assert "waiting_for" in repr(empty)
    assert "waiting_for" in empty._repr_html_()


@pytest.mark.parametrize("text", [*HOSTILE_STRINGS, "nul\0 esc\x1b[31m back\u202ewards"])
def test_hostile_text_is_shown_and_does_nothing(text: str) -> None:
    rows = inb.frame(ran(text, 0, 1, "failed", error=text)).assign(workflow=text, step=text)
    rows["status"] = rows["status"].astype("str")
    open_rows = rows.assign(status="running", signal=text, waiting_for=text)
    calls = inb.activity_frame(called("o-1", (text, 0, 1, "failed", 2))).assign(workflow=text)
    for answer in (
        rows.wf.summary(by=["workflow", "step"]),
        rows.wf.errors(by="workflow"),
        rows.rename(columns={"step": text}).wf.summary(by=text),
        rows.wf.late(0),
        open_rows.wf.stuck(0),
        calls.wf.funnel(text),
        calls.wf.retries(),
    ):
        html, plain = answer._repr_html_(), repr(answer)
        assert len(answer) == 1
        tags = {tag[0].lstrip("/") for tag in Reading(html).shape}
        assert tags <= {"style", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
        for shown in (html, plain):
            assert not {"\0", "\x1b", "\u202e"} & set(shown)


# Plain frames


def test_whatever_is_made_of_an_answer_is_pandas_own() -> None:
    answer = ROWS.wf.summary(by="workflow")
    plain = pd.DataFrame(answer)
    made: list[Any] = [
        answer.copy(),
        copy.copy(answer),
        copy.deepcopy(answer),
        answer[["count", "max"]],
        answer.query("count > 0"),
        answer.sort_values("count"),
        answer.head(),
        answer.T,
        answer.reset_index(),
        answer.merge(answer, on="workflow"),
        pd.concat([answer, answer]),
        answer == answer,
        pickle.loads(pickle.dumps(answer)),  # noqa: S301
    ]
    assert {type(each) for each in made} == {pd.DataFrame}
    assert (answer == plain).all(axis=None) or answer.isna().any(axis=None)
    pd.testing.assert_frame_equal(answer, made[0])
    assert made[-1].attrs == made[0].attrs == answer.attrs
    assert isinstance(answer, pd.DataFrame)
    assert answer.to_html() == plain.to_html()
    assert answer.to_string() == plain.to_string()
    assert answer.to_csv() == plain.to_csv()
    answer["more"] = 1  # a cell shows what the frame has become
    assert "more" in answer._repr_html_()


def test_a_pickle_opens_where_only_pandas_is(tmp_path: Path) -> None:
    ROWS.wf.summary().to_pickle(tmp_path / "answer")
    script = f"""
import sys
import pandas
answer = pandas.read_pickle({str(tmp_path / "answer")!r})
print(len(answer), any(name.startswith("inngest_nb") for name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "4 False\n"


def test_answers_about_runs_and_steps_read_well_too() -> None:
    rows = runs(run("a", "failed", error="x"), run("b"))
    assert "50%" in repr(rows.wf.failures())
    assert "1 s" in repr(rows.wf.durations())
    assert lines(rows.wf.rate("1h"))[1][0] == "Nov 23"


def test_whoever_wants_text_in_cells_gets_pandas_own() -> None:
    with pd.option_context("display.notebook_repr_html", False):
        assert ROWS.wf.summary()._repr_html_() is None
