"""Failures rise where there are clearly more than in the days before."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from story_records import copy_of, milliseconds_of, story
from story_troubles import TroubledServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.findings import Level
from inngest_nb.frames.health._checkup import examine
from inngest_nb.frames.health._failures import chance

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def fail(server: TroubledServer, name: str, ages: Iterable[timedelta]) -> None:
    """Let a failed run of the story have happened again, so long ago."""
    row = server.state.runs.rows[story().names[name]]
    for number, age in enumerate(ages):
        milliseconds = round((NOW - age).timestamp() * 1000) - milliseconds_of(row.id) + number
        server.state.runs.put(copy_of(row, milliseconds))


def days(*numbers: float) -> list[timedelta]:
    return [timedelta(days=number) for number in numbers]


@pytest.mark.parametrize(
    ("least", "count", "share"),
    [(8, 10, Fraction(1, 2)), (5, 5, Fraction(1, 8)), (3, 40, Fraction(1, 8)), (0, 7, Fraction(1, 3))],
)  # fmt: skip
def test_chance_is_the_upper_tail_of_a_binomial(least: int, count: int, share: Fraction) -> None:
    exact = sum(
        math.comb(count, number) * share**number * (1 - share) ** (count - number)
        for number in range(least, count + 1)
    )
    assert chance(least, count, float(share)) == pytest.approx(float(exact))


def test_chance_can_be_computed_for_thousands() -> None:
    assert chance(500, 1_500, 1 / 3) == pytest.approx(0.5, abs=0.03)
    assert 0 <= chance(500, 600, 1 / 8) < 1e-200


def test_a_function_that_fails_more_often_than_before_is_named(
    server: TroubledServer, api: InngestAPI
) -> None:
    fail(server, "fail_default", days(2, 4, 6, *[0.1] * 12))
    fail(server, "hardfail", days(0.3, 0.5, 2, 3, 4, 5, 6, 7))
    found = examine(api, None, NOW)
    (line,) = [each for each in found.findings if each.subject == "failures"]
    assert line.level is Level.TO_DO
    # In the story itself two runs of that function have failed, too.
    assert line.words == (
        "nb-lab/always-fails failed 12 times in the last day (12.0 a day), compared with 0.8 a day "
        "in the previous 6 d"
    )
    rows = found["failures"].set_index("function")
    assert dict(rows["is_rising"]) == {"always-fails": True, "hard-fail": False}
    assert dict(rows["failed"]) == {"always-fails": 12, "hard-fail": 2}


def test_its_advice_shows_what_the_errors_have_in_common(
    server: TroubledServer, api: InngestAPI
) -> None:
    del api
    recent = datetime.now(UTC) - NOW
    fail(server, "fail_default", [timedelta(hours=1) - recent] * 9)
    with InngestAPI(server.url) as own:
        found = inb.checkup(own)
    (line,) = [each for each in found.findings if each.subject == "failures"]
    names: dict[str, object] = {"inb": inb}
    exec("\n".join(line.code[:-1]), names)  # noqa: S102
    groups = eval(line.code[-1], names)  # noqa: S307
    assert list(groups["count"]) == [9]


@pytest.mark.parametrize(
    "ages",
    [
        pytest.param(days(0.1, 0.2, 0.3, 0.4), id="too few"),
        pytest.param(days(*[0.1] * 6, *[n / 2 for n in range(3, 12)]), id="as before"),
        pytest.param(days(*[2.5] * 40), id="fewer"),
    ],
)
def test_what_may_be_chance_is_not_named(
    server: TroubledServer, api: InngestAPI, ages: list[timedelta]
) -> None:
    fail(server, "fail_default", ages)
    found = examine(api, None, NOW)
    (line,) = [each for each in found.findings if each.subject == "failures"]
    assert line.level is Level.OK
    assert line.words == "no function fails more often than in the previous 5 d 16 h"


def test_of_too_many_failures_the_last_ones_are_compared(
    server: TroubledServer, api: InngestAPI
) -> None:
    minute = timedelta(minutes=1)
    fail(server, "fail_default", (number * minute for number in range(1, 601)))
    found = examine(api, None, NOW)
    (line,) = [each for each in found.findings if each.subject == "failures"]
    assert re.search(r"failed 500 times in the last 8 h 20 min \(1,44\d", line.words)
    assert found["failures"].attrs["truncated"]
    assert not found["zombies"].attrs["truncated"]
    assert sum("status=FAILED" in seen.target for seen in server.seen) <= 6


def test_a_young_server_has_nothing_to_compare_with(api: InngestAPI) -> None:
    found = examine(api, None, datetime(2026, 11, 22, 20, 0, tzinfo=UTC))
    (line,) = [each for each in found.findings if each.subject == "failures"]
    assert line.words == "there are no runs older than a day to compare with"
