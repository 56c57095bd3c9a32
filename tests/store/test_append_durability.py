"""What was acknowledged of a history is there after `kill -9`."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

from append_racer import child_environment

from inngest_nb import SqliteStore

CHILD = """
import sys
from append_racer import append_for_ever
from inngest_nb import InngestStore, SqliteStore
kind, place = sys.argv[1:]
append_for_ever((SqliteStore if kind == "sqlite" else InngestStore)(place), "x")
"""


def test_a_killed_process_has_lost_no_acknowledged_append(tmp_path: Path) -> None:
    """Killed at a random moment, three times over, each time with a new file."""
    for round_ in range(3):
        path = tmp_path / f"{round_}.db"
        writer = start("-c", CHILD, "sqlite", str(path))
        check(path, acknowledged(writer, writer))


def test_a_killed_server_has_lost_no_acknowledged_append(tmp_path: Path) -> None:
    for round_ in range(3):
        path = tmp_path / f"{round_}.db"
        server = start("-m", "inngest_nb", "serve", "--port", "0", "--path", str(path))
        assert server.stdout is not None
        url = re.findall(r"http://[^\s,]+", server.stdout.readline())[0]
        writer = start("-c", CHILD, "http", url)
        check(path, acknowledged(writer, server))
        server.stdout.close()


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=child_environment(),
    )


def acknowledged(writer: subprocess.Popen[str], victim: subprocess.Popen[str]) -> int:
    """Kill the victim at a random moment, and count what the writer knows to be durable."""
    assert writer.stdout is not None
    for _ in range(lines := random.randint(1, 300)):
        assert writer.stdout.readline()
    victim.kill()
    lines += len(writer.stdout.read().splitlines())
    writer.stdout.close()
    assert writer.wait(60) != 0
    victim.wait(60)
    return lines


def check(path: Path, lines: int) -> None:
    with SqliteStore(path) as store:
        state = store.load("x")
    assert state is not None
    assert [event.id for event in state.history] == list(range(1, len(state.history) + 1))
    assert [event.result for event in state.history] == [
        "ü" * (event.id % 3000) for event in state.history
    ]
    assert lines <= len(state.history) <= lines + 1
    assert state.etag == f"e{len(state.history)}"
