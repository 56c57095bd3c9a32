"""Whoever follows a store is told each change once, in order, whatever is killed in between."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from append_racer import child_environment
from feed_followers import CHANGES, expected

from inngest_nb import SqliteStore

WRITERS = ("a", "b", "c", "d")
TOTAL = len(WRITERS) * CHANGES
KINDS = ("http", "async", "file")
# Of all changes, after how many what is killed: the server, or the n-th reader.
KILLS: dict[int, int | None] = {
    1_000: None,
    3_000: 0,
    5_000: None,
    7_000: 1,
    9_000: None,
    11_000: 2,
    13_000: None,
    14_500: 0,
    16_000: 1,
    18_000: None,
}
LONG = 120.0


def test_each_reader_is_told_each_change_once_in_order(tmp_path: Path) -> None:
    """4 writers make 20,000 changes; the server is killed 5 times, the 3 readers as often."""
    assert TOTAL == 20_000
    path = tmp_path / "states.db"
    logs = [tmp_path / f"{kind}.log" for kind in KINDS]
    with contextlib.ExitStack() as stack:
        start = _starter(stack)
        server, url = _serve(start, path, "0")
        port = url.rpartition(":")[2]
        places = [str(path) if kind == "file" else url for kind in KINDS]

        def reader(number: int) -> subprocess.Popen[str]:
            given = KINDS[number], places[number], str(logs[number]), TOTAL
            return start("-c", f"import feed_followers; feed_followers.read(*{given!r})")

        readers = [reader(number) for number in range(len(KINDS))]
        writers = [
            start("-c", f"import feed_followers; feed_followers.write({url!r}, {name!r})")
            for name in WRITERS
        ]
        with SqliteStore(path) as store:
            after = 0
            for kill_at, number in KILLS.items():
                after = _wait_for(store, after, kill_at)
                killed = server if number is None else readers[number]
                killed.kill()
                killed.wait()
                if number is None:
                    server, _ = _serve(start, path, port)
                else:
                    readers[number] = reader(number)
            for process in (*writers, *readers):
                assert process.wait(LONG) == 0
            assert store.last_change() == TOTAL
    told = [[line.split(" ")[:3] for line in log.read_text().splitlines()] for log in logs]
    for lines in told:
        assert [int(number) for number, _, _ in lines] == [*range(1, TOTAL + 1)]
        assert lines == told[0]
    for name in WRITERS:
        of_it = [(each, deleted == "True") for _, each, deleted in told[0] if each[0] == name]
        assert of_it == [*expected(name)]


def _starter(stack: contextlib.ExitStack) -> Callable[..., subprocess.Popen[str]]:
    """Return what starts Python processes, none of which outlives the stack."""
    environment = child_environment()

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env=environment
        )
        stack.enter_context(_ended(process))
        return process

    return start


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    with process:
        try:
            yield
        finally:
            process.kill()


def _serve(
    start: Callable[..., subprocess.Popen[str]], path: Path, port: str
) -> tuple[subprocess.Popen[str], str]:
    server = start("-m", "inngest_nb", "serve", "--port", port, "--path", str(path))
    assert server.stdout is not None
    return server, re.findall(r"http://[^\s,]+", server.stdout.readline())[0]


def _wait_for(store: SqliteStore, after: int, number: int) -> int:
    """Return once a change has been made."""
    deadline = time.monotonic() + LONG
    while after < number:
        after = store.changes(after, wait=5.0).last
        assert time.monotonic() < deadline, f"no change after {after}"
    return after
