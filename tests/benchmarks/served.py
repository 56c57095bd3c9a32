"""A state server in a process of its own, as `inngest-nb serve` starts it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def state_server(file: Path) -> Iterator[str]:
    """Serve the states of a file, and give the base URL."""
    command = [sys.executable, "-m", "inngest_nb", "serve", "--port", "0", "--path", str(file)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield re.findall(r"http://[^\s,]+", server.stdout.readline())[0]
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
