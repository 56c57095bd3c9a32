"""Worker processes of a real server, one of which is killed in the middle of a step."""

from __future__ import annotations

import sys
from pathlib import Path
from uuid import uuid4

import pytest
from inngest_fleet import inngest_fleet
from inngest_site import until
from lost_workflows import LOG, Log, lost_row

from inngest_nb import InngestAPI
from inngest_nb.worker._handle import InngestHandle, start_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills")

# With HTTP, the server repeats what was lost after 15 to 45 s; with connect, it waits two minutes
# for a worker before that. `--retry-interval 1` makes the first shorter.
PATIENCE = {"http": 60.0, "connect": 240.0}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("via", ["http", "connect"])
def test_another_worker_takes_over_and_makes_no_recorded_step_again(
    api: InngestAPI, url: str, via: str, tmp_path: Path
) -> None:
    log, app, name = Log(tmp_path / "log"), f"nb-live-lost-{uuid4().hex[:8]}", uuid4().hex
    variables = {LOG: str(log.file)}
    with inngest_fleet(url, "lost_workflows", via, tmp_path, app=app, **variables) as fleet:
        fleet.wait_active(2)
        log.choose(3)
        _, run_id = start_run(api, app, lost_row, 2, name, None)
        until(log.held, 60)
        (victim,) = log.held()
        fleet.kill(victim)
        handle = InngestHandle(api, lost_row, name, run_id)
        assert handle.result(PATIENCE[via]) == [4, 27, 16, 125, 36, 1]
    begins = log.begun(name)
    assert [len(begins["", seq, 1]) for seq in range(1, 6)] == [1, 1, 2, 1, 1]
    assert begins["", 3, 1][0].pid == victim
