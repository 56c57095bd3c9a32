"""Worker processes that are killed in the middle of a step: their runs end as if nothing were."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from inngest_engine import Run
from inngest_site import InngestSite, until
from mortal_workers import APP, MortalWorkers

STEPS = range(6)


@pytest.mark.parametrize("via", ["connect", "http"])
def test_runs_survive_their_workers(via: str, tmp_path: Path) -> None:
    kill_in_rounds(2, via, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("via", ["connect", "http"])
def test_runs_survive_their_workers_in_twenty_rounds(via: str, tmp_path: Path) -> None:
    kill_in_rounds(20, via, tmp_path)


def kill_in_rounds(rounds: int, via: str, folder: Path) -> None:
    """Let three workers run three runs at a time, and kill the one that is at the fatal step."""
    draw = random.Random(0)
    with InngestSite(retry_interval=0) as site, MortalWorkers(site.url, via) as workers:
        for _ in range(3):
            workers.start()
        for number in range(rounds):
            fatal = draw.choice(STEPS)
            given = {"folder": str(folder), "fatal": fatal, "run": f"r{number}"}
            others = [given | {"fatal": -1, "run": f"r{number}-{name}"} for name in "ab"]
            runs = {each["run"]: begin(site, each) for each in [given, *others]}
            until((folder / f"r{number}.victim").exists)
            (victim,) = [
                line["pid"]
                for line in begun(folder)
                if (line["run"], line["number"]) == (f"r{number}", fatal)
            ]
            workers.kill(victim)
            if via == "connect":
                until(lambda: len(site.gateway.workers) == 2)
                site.gateway.run_out()
            workers.start()
            for name, run in runs.items():
                assert site.ended(run).status == "COMPLETED", run.output
                check(name, run.output, begun(folder))


def check(name: str, output: list[Any], attempts: list[dict[str, Any]]) -> None:
    """The run has the results of all its steps, and none began again that had a result."""
    assert [number for number, _ in output] == [*STEPS]
    for number, recorded in output:
        of_step = [
            each["attempt"] for each in attempts if (each["run"], each["number"]) == (name, number)
        ]
        assert of_step[-1] == recorded


def begin(site: InngestSite, given: dict[str, Any]) -> Run:
    data = {"workflow_id": given["run"], "input": given}
    return site.engine.invoke(f"{APP}-six_steps", data)


def begun(folder: Path) -> list[dict[str, Any]]:
    """The attempts of steps, in the order in which they began."""
    return [json.loads(line) for line in (folder / "begun").read_text().splitlines()]
