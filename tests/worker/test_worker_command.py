"""`inngest-nb worker --on inngest`: the same command that works on a store."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from inngest_site import InngestSite
from nb_command import Command, run
from worked_workflows import LOG, worked

from inngest_nb import Executor, SqliteStore

PATHS = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])


def worker(home: Path, *arguments: str, **variables: Any) -> Command:
    return Command(home, "worker", *arguments, PYTHONPATH=PATHS, **variables)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(
    tmp_path: Path, site: InngestSite, via: str, number: signal.Signals
) -> None:
    options = ("--on", "inngest", "--via", via, "--app-id", "shop", "--retries", "3")
    given = ("served_workflows:twice", "served_workflows:double", *options, "--url", site.url)
    with worker(tmp_path, *given) as command:
        command.shown(f"InngestWorker.'shop', '{site.url}', via='{via}', functions='twice, double'")
        assert site.run("shop-twice", 1) == [2, 0]
        begun = time.monotonic()
        assert command.end(number) == 0
        assert time.monotonic() - begun < 30  # two seconds, on a machine that is not busy
    (step,) = site.engine.executor.functions["shop-twice"].config["steps"].values()
    assert step["retries"] == {"attempts": 3}
    assert "Traceback" not in command.output


def test_it_ends_while_something_runs_and_says_what(tmp_path: Path, site: InngestSite) -> None:
    given = ("served_workflows:pooled", "--on", "inngest", "--url", site.url)
    with worker(tmp_path, *given) as command:
        command.shown("functions='pooled'")
        site.begin("inngest-nb-pooled")
        command.shown("it holds")
        begun = time.monotonic()
        assert command.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 45  # Python alone would wait for the pool: for a minute
    assert "is closed, but still running: pooled: hold_in_pool" in command.output


def test_a_whole_module_is_served(tmp_path: Path, site: InngestSite) -> None:
    (tmp_path / "shop.py").write_text(
        "import inngest_nb as inb\n"
        "@inb.workflow\nasync def ship(ctx): return 'shipped'\n"
        "@inb.workflow\nasync def bill(ctx): return 'billed'\n"
        "async def helper(ctx): return 'none'\n"
    )
    with worker(tmp_path, "shop", "--on", "inngest", INNGEST_API_BASE_URL=site.url) as command:
        command.shown("state='active'")
        assert site.run("inngest-nb-ship") == "shipped"
        assert site.functions() == {"inngest-nb-ship", "inngest-nb-bill"}


def test_it_waits_for_its_server_and_says_so_on_the_terminal(
    tmp_path: Path, site: InngestSite
) -> None:
    with worker(tmp_path, "served_workflows:twice", "--on", "inngest", "--url", site.url) as one:
        one.shown("state='active'")
        site.go_away()
        one.shown("waits for its server")
        site.come_back()
        one.shown("is back; serving again")
        assert site.run("inngest-nb-twice", 1) == [2, 0]
        assert one.output.partition("state='active'")[2].count("\n") == 3


def test_it_says_so_when_it_serves_later(tmp_path: Path, site: InngestSite, via: str) -> None:
    site.go_away()
    options = ("--on", "inngest", "--via", via, "--url", site.url)
    with worker(tmp_path, "served_workflows:twice", *options) as one:
        one.shown("state='away'")
        site.come_back()
        one.shown("state='active'")
        assert site.run("inngest-nb-twice", 1) == [2, 0]


def test_processes_share_a_port_and_the_others_go_on(tmp_path: Path, site: InngestSite) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = ("--on", "inngest", "--via", "http", "--port", port, "--url", site.url)
    with (
        worker(tmp_path, "served_workflows:twice", *options) as first,
        worker(tmp_path, "served_workflows:twice", *options) as second,
    ):
        first.shown("state='active'")
        second.shown("state='active'")
        assert [site.run("inngest-nb-twice", n) for n in range(5)][-1] == [5, -3]
        first.process.kill()
        first.wait()
        assert [site.run("inngest-nb-twice", n) for n in range(5)][-1] == [5, -3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["served_workflows:twice", "--on", "inngest", "--retries", "0"],
            "fails its runs for good",
        ),
        (["served_workflows:nothing", "--on", "inngest"], "has no function 'nothing'"),
        (["served_workflows", "--on", "inngest"], "functions must name at least one workflow"),
        (["served_workflows:go_on", "--on", "inngest"], "must be a function, got Event"),
        (["served_workflows:hold", "--on", "inngest"], "cannot be called with a context and an"),
        (["x:y", "--on", "inngest", "--lease", "5"], "--lease is for a worker on a store only"),
        (["x:y", "--on", "s.db", "--app-id", "a"], "--app-id is for a worker on --on inngest"),
        (["x:y", "--on", "inngest", "--via", "smoke"], "'smoke' is not one of 'connect', 'http'"),
        (["x:y", "--on", "inngest", "--port", "70000"], "70000 is not in the range"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = run(tmp_path, "worker", *arguments, PYTHONPATH=PATHS)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--on", "--store"])
def test_it_still_works_on_a_store(
    tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    place = tmp_path / "states.db"
    with SqliteStore(place) as store, Executor(store) as executor:
        executor.execute(worked, id="w", input=3)
    with (
        worker(tmp_path, "worked_workflows:worked", option, str(place), "--lease", "1") as command,
        SqliteStore(place) as store,
        Executor(store) as executor,
    ):
        command.shown("lease 1 s, workflows: worked")
        assert executor.handle("w").result(30) == 3
