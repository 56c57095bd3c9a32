"""What many rooms' tests need: the Go documents, a state server, a clean environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inngest_nb import StateServer

GO_DOCUMENTS = (Path(__file__).parent / "data" / "go-states.jsonl").read_bytes().splitlines()


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INNGEST_BASE_URL", "INNGEST_DEV", "INNGEST_EVENT_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def go_documents() -> list[bytes]:
    return GO_DOCUMENTS


@pytest.fixture
def state_server(tmp_path: Path) -> Iterator[StateServer]:
    with StateServer(tmp_path / "state.db", port=0) as server:
        yield server
