"""What a notebook gets of a run of a real Inngest: HTML that survives, and plain text."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from form_driver import Reading
from hostile_strings import HOSTILE_STRINGS
from story_records import Json, story
from story_server import SIGNING_KEY, StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.api.calls._traces import trace_of
from inngest_nb.errors import InngestNotFoundError

RUN = "01M82BBSDM2RWR71WM2EZVHP9E"
NAMES = {run_id: name for name, run_id in story().names.items()}
BEGIN = datetime(2026, 11, 22, 19, tzinfo=UTC)


@pytest.fixture(scope="module")
def inngest() -> Iterator[StoryServer]:
    with StoryServer() as server:
        yield server


@pytest.fixture(scope="module")
def api(inngest: StoryServer) -> Iterator[InngestAPI]:
    with InngestAPI(inngest.url) as api:
        yield api


def html(picture: Any) -> str:
    markup: str = picture._repr_mimebundle_()["text/html"]
    return markup


def reading(markup: str) -> str:
    """Return what is left when a viewer strips stylesheets, drawings, attributes and tags."""
    bare = re.sub(r"<(style|svg).*?</\1>", "", markup, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", bare)).split())


def named(name: str, api: InngestAPI) -> Any:
    return inb.waterfall(story().names[name], api)


def at(seconds: float) -> str:
    return (BEGIN + timedelta(seconds=seconds)).isoformat()


def drawn(*spans: Json, **root: Any) -> Any:
    """Draw a trace that never was."""
    said = {"status": "COMPLETED", "queuedAt": at(0), "endedAt": at(400), "children": [*spans]}
    return inb.waterfall(trace_of({"data": {"rootSpan": said | root}}, RUN))


def step(number: int, name: str, **more: Any) -> Json:
    times = {"queuedAt": at(number * 0.4), "startedAt": at(number * 0.4 + 0.1)}
    times["endedAt"] = at(number * 0.4 + 0.3)
    done = {"stepOp": "RUN", "stepId": f"{number:040x}", "status": "COMPLETED", "durationMs": "200"}
    return {"name": name, **done, **times, **more}


def test_a_failed_run_reads_in_words_when_everything_else_is_stripped(api: InngestAPI) -> None:
    words = reading(html(named("fail_default", api)))
    assert "Status ✕ failed Function always-fails in nb-lab Queued 2026-11-22 19:22:39 UTC" in words
    assert "Began after 429 ms Ended 2026-11-22 19:22:58 UTC Took 18.8 s" in words
    assert "✕ The step bad-step failed ValueError: boom: value out of range" in words
    assert "before +136 ms ✓ completed, 720 ms, 669 ms queued" in words
    retried = "bad-step +1.58 s ✕ failed, 2 attempts, 16.6 s, 1.01 s queued, 16.4 s before retries"
    assert f"{retried} ValueError: boom: value out of range" in words
    key = "outlined = failed, dotted line = queued, broken line = pause before a retry."
    assert f"Key: filled = completed, {key}" in words


def test_plain_text_tells_the_same_and_draws_bars(api: InngestAPI) -> None:
    assert repr(named("fail_default", api)).splitlines() == [
        "01M82BBSDTXGW1DPGX2RV13QD7: ✕ failed",
        "function always-fails in nb-lab, queued 2026-11-22 19:22:39 UTC, began after 429 ms, "
        "ended 2026-11-22 19:22:58 UTC, took 18.8 s",
        "The step bad-step failed: ValueError: boom: value out of range",
        "  before                |·██                             "
        '| ✓ completed, 720 ms, 669 ms queued → "fine"',
        "  bad-step              |  ··▒╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌▒"
        "| ✕ failed, 2 attempts, 16.6 s, 1.01 s queued, 16.4 s before retries",
        "  function Finalization |                               ▒| ✕ failed, 6 ms, 41 ms queued",
        "Key: █ completed, ▒ failed, ╌ pausing, · queued",
    ]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in story().rows])
def test_each_step_of_every_recorded_run_is_a_row(api: InngestAPI, row: Any) -> None:
    steps = inb.trace_frame(row.id, api)
    lines = repr(inb.waterfall(row.id, api)).splitlines()
    lines = [line.partition("|") for line in lines if "|" in line]
    assert len(lines) == max(1, len(steps))  # one that has not begun is a row itself
    for one in steps.itertuples():
        (line,) = (words for name, _, words in lines if name.split()[-1] == one.step)
        assert f"{one.status}" in line
    assert all(re.search(r"[^ |]", bars.partition("|")[0]) for _, _, bars in lines)


@pytest.mark.parametrize(
    ("name", "line", "shape"),
    [
        ("sleep", "sleep nap", "hollow line = asleep"),
        ("wait_match", "✓ completed, 1.43 s, received lab/approve", "thin line = waiting"),
        ("wait_timeout", "✓ completed, 3.08 s, timed out", "thin line = waiting"),
        ("wait_pending", "◔ waiting", "thin line = waiting"),
        ("invoke", "invoke call-square", "thick line = another function's run"),
        ("flaky1", "completed, 3 attempts, 3.44 s, 243 ms queued, 2.6 s before retries",
         "broken line = pause before a retry"),
        ("long_by-v2", "sleep long-nap +2.79 s ⊘ canceled, 3.33 s", "hollow line = asleep"),
        ("limited0", "run +0 ○ queued", "dotted line = queued"),
        ("limited1", "◐ running", "pale = running"),
    ],
)  # fmt: skip
def test_what_a_run_did_is_told_in_words_and_in_the_key(
    api: InngestAPI, name: str, line: str, shape: str
) -> None:
    words = reading(html(named(name, api)))
    assert line in words
    assert shape in words.partition("Key: ")[2]


def test_each_of_the_shapes_differs_from_all_others_without_its_colour() -> None:
    now = datetime.now(UTC)

    def lasted(start: float, end: float | None, queued: float | None = None, **more: Any) -> Json:
        """Say from and until how many seconds ago something lasted."""
        times = {"queuedAt": queued, "startedAt": start, "endedAt": end}
        ago = {
            key: time and (now - timedelta(seconds=time)).isoformat() for key, time in times.items()
        }
        return ago | more

    tried = [lasted(70, 60, status="FAILED"), lasted(50, 40, status="FAILED")]
    one = drawn(
        step(0, "done", **lasted(80, 70, 95)),
        step(1, "bad", **lasted(70, 40), status="FAILED", children=tried),
        step(2, "sleeps", **lasted(40, 20), stepOp="SLEEP"),
        step(3, "waits", **lasted(40, 20), stepOp="WAIT_FOR_EVENT"),
        step(4, "calls", **lasted(40, 20), stepOp="INVOKE"),
        step(5, "works", **lasted(20, None), status="RUNNING"),
        step(6, "odd", **lasted(20, 10), status="PAUSED"),
        **lasted(100, None, 100),
        status="RUNNING",
    )
    (key,) = re.findall(r"Key: [^<]*", html(one))
    assert key.count(" = ") == 9
    bars = re.findall(r"<(rect|line|circle) ([^>]*)>", html(one).partition("<tbody>")[2])
    shapes = {
        f"{tag} " + re.sub(r'(?<![-\w])(class|x1?|x2|width)="[^"]*"', "", rest)
        for tag, rest in bars
        if 'y2="18"' not in rest  # a line under a tick
    }
    assert len(shapes) == 9


def test_an_odd_trace_has_a_row_for_each_span_and_nothing_is_invented() -> None:
    lines = repr(
        drawn(
            {"name": "ai", "stepOp": "AI_GATEWAY", "stepId": "a", "status": "PAUSED"},
            {"name": "late", "stepOp": "RUN", "stepId": "b", "startedAt": "later", "endedAt": 5},
            step(3, "back", queuedAt=at(7), startedAt=at(6), endedAt=at(5), durationMs=None),
            {},
        )
    ).splitlines()
    rows = [line for line in lines if "|" in line]
    assert [row.partition("|")[0].strip() for row in rows] == [
        *("back", "unknown", "ai_gateway ai", "late"),
    ]
    assert [row.rpartition("|")[2].strip() for row in rows[1:]] == [
        "· no time was recorded",
        "? paused, no time was recorded",
        "· no time was recorded",
    ]
    assert not any(row.partition("|")[2].partition("|")[0].strip() for row in rows[1:])


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_text_is_escaped_wherever_it_stands(text: str) -> None:
    def one(text: str) -> str:
        error = {"name": text, "message": text, "stack": text}
        spans = [
            step(0, text, stepOp=text, status=text, input={text: text}, output={text: text}),
            step(1, text, status="FAILED", output=error),
            step(2, text, stepOp="WAIT_FOR_EVENT", output={"name": text}),
        ]
        return html(drawn(*spans, status="FAILED", input={"data": [{"name": text}]}))

    assert text not in one(text)
    assert Reading(one(text)).shape == Reading(one("x" * len(text))).shape
    assert "alert" not in text or "alert" in Reading(one(text)).text


@pytest.mark.parametrize(
    "spans",
    [
        [step(n, f"page-{n}", output={"text": "x" * 3_000}) for n in range(1_000)],
        [step(n, f"{'abcdefghij'[n % 10]}{chr(107 + n // 10 % 10)}{chr(97 + n // 100)}-step",
              status="FAILED", output={"message": "boom " * 400, "stack": "line\n" * 900})
         for n in range(1_000)],
        [step(n // 2, f"page-{n // 2}") for n in range(10_000)],
    ],
    ids=["1,000 steps", "1,000 failures", "10,000 spans"],
)  # fmt: skip
def test_the_picture_of_a_long_run_is_bounded(spans: list[Json]) -> None:
    bundle = drawn(*spans, status="FAILED")._repr_mimebundle_()
    assert len(bundle["text/html"].encode()) < 110_000
    assert len(bundle["text/plain"]) < 20_000
    assert bundle["text/html"].count("<tr>") <= 41


def test_steps_whose_names_differ_in_numbers_share_lines_and_a_few_failures_keep_theirs() -> None:
    spans = [step(n, f"page-{n}") for n in range(100)]
    spans[70] |= {"status": "FAILED", "output": {"message": "boom"}}
    rows = [line.split() for line in repr(drawn(*spans)).splitlines() if "|" in line]
    assert [row[0] for row in rows] == ["page-#", "page-70"]
    assert "99 completed" in " ".join(rows[0])
    many = [one | {"status": "FAILED"} for one in spans]
    (line,) = (line for line in repr(drawn(*many)).splitlines() if "page-#" in line)
    assert "100 failed" in line


def test_a_queue_too_short_to_be_seen_is_told_in_words_only() -> None:
    words = reading(html(drawn(step(0, "s"))))
    assert "✓ completed, 200 ms, 100 ms queued" in words
    assert "Key:" not in words
    assert "dotted line = queued" in reading(html(drawn(step(0, "s"), endedAt=at(2))))


def test_the_axis_of_an_open_run_ends_now_although_nothing_is_at_work() -> None:
    (line,) = repr(drawn(step(0, "s"), status="RUNNING", endedAt=None)).splitlines()[2:]
    assert line.startswith("  s |█                               |")


def test_a_picture_needs_no_widgets() -> None:
    code = (
        "import sys, inngest_nb as inb; from inngest_nb.api import Trace; "
        f"t = Trace(run_id={RUN!r}, status='queued', inngest_status=''); "
        "inb.waterfall(t)._repr_mimebundle_(); assert 'ipywidgets' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_error_of_a_run_is_that_of_its_function_not_one_that_it_caught() -> None:
    def failed(number: int, name: str, why: str, **more: Any) -> Json:
        return step(number, name, status="FAILED", output={"message": why}, **more)

    caught = failed(1, "charge", "declined")
    function = failed(0, "Finalization", "gave up", stepId=None, stepOp=None)
    assert "✕ The function failed gave up" in reading(
        html(drawn(function, caught, status="FAILED"))
    )
    function["output"] = {"message": "declined"}
    words = reading(html(drawn(function, caught, status="FAILED")))
    assert "✕ The step charge failed declined" in words


def test_names_without_room_are_counted_with_where_to_find_them() -> None:
    spans = [step(n, chr(97 + n % 26) + chr(97 + n // 26)) for n in range(60)]
    assert "20 items (20 names) not shown; trace_frame() has all" in reading(html(drawn(*spans)))


def test_payloads_are_unfolded_and_the_failed_steps_come_first(api: InngestAPI) -> None:
    words = reading(html(named("fail_default", api)).partition('"inb-payloads"')[2])
    labels = re.findall(r"(event|[\w-]+(?: of attempt \d)?: \w+) \d+ characters", words)
    assert labels == [
        "event",
        "bad-step of attempt 1: traceback",
        "bad-step of attempt 2: traceback",
        "Finalization: traceback",
        "before: output",
    ]
    assert '"name": "lab/fail"' in words
    assert 'raise ValueError("boom: value out of range")' in words


def test_what_is_left_out_of_payloads_is_said() -> None:
    long = [step(n, f"s{n}", output={"text": "x" * 5_000}) for n in range(50)]
    words = reading(html(drawn(*long)))
    assert "Inputs and outputs 15" in words
    assert "… 3,016 more characters not shown here" in words
    assert "35 more payloads not shown; InngestAPI.trace() has all" in words
    short = [step(n, f"s{n}", output={"n": n}) for n in range(50)]
    assert "10 more payloads not shown" in reading(html(drawn(*short)))


def test_a_payload_that_is_nested_too_deeply_is_no_end() -> None:
    deep: Any = {}
    for _ in range(5_000):
        deep = {"x": deep, "y": 1}
    assert "nested too deeply" in reading(html(drawn(step(0, "s", output=deep))))


def test_a_run_is_given_in_many_ways_and_asked_for_once(
    api: InngestAPI, inngest: StoryServer
) -> None:
    run_id = story().names["order1"]
    found = inb.search_runs(api, since=None)
    row = found[found["run_id"] == run_id].iloc[0]
    given = {
        "id": (run_id, 2),
        "run": (api.run(run_id), 1),
        "row": (row, 1),
        "frame of a run": (row.to_frame().T, 1),
        "steps": (inb.trace_frame(run_id, api), 2),
        "trace": (api.trace(run_id), 0),
    }
    for name, (one, requests) in given.items():
        asked = len(inngest.seen)
        picture = inb.waterfall(one, api)
        assert len(inngest.seen) - asked == requests, name
        words = reading(html(picture))
        assert run_id in words
        assert ("order-pipeline in nb-lab" in words) == (name != "trace")


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("zzz", "run must be an id of 26 letters .* got 'zzz'"),
        (None, "run must be the id of one run, .* such as search_runs\\(\\).iloc\\[0\\]; got NoneType"),
        ([RUN], "got list"),
        ("two", "got a frame of 2 runs"),
        ("none", "got a frame of 0 runs"),
        ("columns", "got a frame without the column run_id"),
    ],
)  # fmt: skip
def test_what_is_no_run_is_refused_with_what_to_give(
    api: InngestAPI, inngest: StoryServer, run: Any, message: str
) -> None:
    found = inb.search_runs(api, since=None)
    frames = {"two": found.head(2), "none": found.head(0), "columns": found[["app"]]}
    asked = len(inngest.seen)
    with pytest.raises(ValueError, match=message):
        inb.waterfall(frames.get(run, run) if isinstance(run, str) else run, api)
    assert len(inngest.seen) == asked


def test_a_run_that_is_not_there_is_named(api: InngestAPI) -> None:
    with pytest.raises(InngestNotFoundError, match="no run '01M82BBSDM2RWR71WM2EZVHP9Z'"):
        inb.waterfall("01M82BBSDM2RWR71WM2EZVHP9Z", api)


def test_no_key_is_in_a_picture() -> None:
    with StoryServer("cloud") as server, InngestAPI(server.url, signing_key=SIGNING_KEY) as api:
        for name in ("fail_default", "wait_pending"):
            bundle = named(name, api)._repr_mimebundle_()
            assert SIGNING_KEY.rpartition("-")[2] not in str(bundle)


def test_no_script_and_no_style_attribute_is_in_the_picture(api: InngestAPI) -> None:
    assert not re.search(r"<script|\sstyle=|\son\w+=|href=|url\(", html(named("flaky1", api)))
