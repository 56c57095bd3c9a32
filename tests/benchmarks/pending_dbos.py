"""Leaves 1,000 DBOS workflows pending in a file, or recovers them and prints the seconds it took.

    python pending_dbos.py crash FILE
    python pending_dbos.py recover FILE

A workflow has seven steps; the process is killed while all are in their sixth.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from time import perf_counter

import dbos_peer
from dbos import DBOS

RUNS = 1_000

_arrivals = threading.Semaphore(0)
_crashing = False


@DBOS.step()
def sixth(number: int) -> int:
    if _crashing:
        _arrivals.release()
        threading.Event().wait()
    return number + 1


@DBOS.step()
def seventh(number: int) -> int:
    _arrivals.release()
    return number + 1


@DBOS.workflow()
def seven_steps() -> int:
    number = 0
    for _ in range(5):
        number = dbos_peer.step(number)
    return seventh(sixth(number))


def crash(file: Path) -> None:
    global _crashing
    _crashing = True
    with dbos_peer.launched(file):
        for _ in range(RUNS):  # one after another, which is faster than all at once
            DBOS.start_workflow(seven_steps)
            _arrivals.acquire()
        os.kill(os.getpid(), signal.SIGKILL)


def recover(file: Path) -> None:
    begun = perf_counter()
    with dbos_peer.launched(file):  # recovers of its own accord what is pending
        # The last step of the last run is counted, not its end, which handles of recovered
        # workflows notice late: they ask once a second.
        for _ in range(RUNS):
            _arrivals.acquire()
        print(perf_counter() - begun)
        while dbos_peer.recorded(file) != (RUNS, 7 * RUNS):
            threading.Event().wait(0.1)


if __name__ == "__main__":
    {"crash": crash, "recover": recover}[sys.argv[1]](Path(sys.argv[2]))
