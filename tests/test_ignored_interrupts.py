"""The tests run as well where they are started with interrupts ignored, as scripts do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

IGNORING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
NEEDS_INTERRUPTS = "cli/test_serve.py::test_one_line_says_where_it_is_and_the_states_are_kept"


def test_a_test_that_interrupts_a_process_passes_where_interrupts_are_ignored() -> None:
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", NEEDS_INTERRUPTS]
    command = [sys.executable, "-c", IGNORING, *pytest]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
