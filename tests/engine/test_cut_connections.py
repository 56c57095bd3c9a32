"""Runs whose state server's connections are cut at random end as if nothing had happened."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx
import pytest
from cutting_proxy import cutting_proxy
from strict_documents import check_document

from inngest_nb import Executor, InngestStore, Signal, StateServer, samples
from inngest_nb.errors import WorkflowFailedError

pytestmark = pytest.mark.slow

ALL = [samples.order, samples.approval, samples.fan_out, samples.import_rows, samples.broken]


@pytest.mark.parametrize("seed", [1, 2])
def test_200_runs_of_all_samples_end_with_the_right_statuses(tmp_path: Path, seed: int) -> None:
    with (
        StateServer(tmp_path / "states.db", port=0) as server,
        cutting_proxy(server.url, percent=12, seed=seed) as proxy,
        InngestStore(proxy.url) as store,
        Executor(store) as executor,
    ):
        handles = [
            executor.execute(workflow, input={"speed": 100}) for _ in range(40) for workflow in ALL
        ]
        for handle in handles:
            if handle.id.startswith("approval"):
                executor.signal(handle.id, Signal("approve", {"approved": True, "by": "Ada"}))
        for handle in handles:
            if handle.id.startswith("broken"):
                with pytest.raises(WorkflowFailedError, match="five digits"):
                    handle.result(60)
            else:
                handle.result(60)
        assert proxy.cuts > 10  # each of them hit many runs, whose writes go together

        with httpx.Client(base_url=server.url) as plain:  # what the server has, to the byte
            documents = [
                check_document(plain.get(f"/v1/workflows/{handle.id}").content)
                for handle in handles
            ]
    assert Counter(document["Status"] for document in documents) == {"completed": 160, "failed": 40}
    for handle, document in zip(handles, documents, strict=True):
        assert len(document["History"]) == len(handle.state.history)
