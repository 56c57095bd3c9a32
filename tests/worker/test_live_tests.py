"""The live tests of workers pass where a server is named: here, on the stand-in for one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from inngest_engine import InngestEngine
from inngest_gateway import InngestGateway

pytestmark = pytest.mark.slow

_LIVE = Path(__file__).parents[1] / "live"
_FILES = [_LIVE / "test_live_worker.py", _LIVE / "test_live_lost_workers.py"]


@pytest.mark.parametrize("via", ["connect", "http"])
def test_they_pass_and_skip_nothing(via: str) -> None:
    with InngestEngine(retry_interval=1) as inngest, InngestGateway(inngest, lease=3):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", via]
        done = subprocess.run(
            [*command, *map(str, _FILES)],
            cwd=_LIVE.parents[1],
            env=os.environ | {"INNGEST_NB_LIVE_URL": inngest.url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-5_000:]
    assert "skipped" not in done.stdout
