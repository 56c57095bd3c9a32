"""What many rooms' tests need: the Go documents, a state server, a clean environment."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from inngest_nb import StateServer

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

# Scripts start what runs in the background with interrupts ignored, and so would all our children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SDK_VARIABLES = (
    "INNGEST_API_BASE_URL",
    "INNGEST_BASE_URL",
    "INNGEST_DEV",
    "INNGEST_EVENT_API_BASE_URL",
    "INNGEST_EVENT_KEY",
    "INNGEST_NB_URL",
    "INNGEST_SIGNING_KEY",
    "INNGEST_SIGNING_KEY_FALLBACK",
)
_SKIPPED = 7  # not the status of failed tests, which may be tried again
GO_DOCUMENTS = (Path(__file__).parent / "data" / "go-states.jsonl").read_bytes().splitlines()


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SDK_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged from now on, and by nobody before.

    Tasks of earlier tests whose errors nobody looked at say so once they are collected, which is at
    any time later.
    """
    gc.collect()
    caplog.clear()
    return caplog


@pytest.fixture
def go_documents() -> list[bytes]:
    return GO_DOCUMENTS


@pytest.fixture
def state_server(tmp_path: Path) -> Iterator[StateServer]:
    with StateServer(tmp_path / "state.db", port=0) as server:
        yield server


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that skipped a test although `REQUIRE_BROWSER=1` allows none.

    What needs a real Inngest server may be skipped: none can be installed.
    """
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    skipped = [report for report in skipped if "live" not in report.keywords]
    if skipped and os.environ.get("REQUIRE_BROWSER") == "1":
        reporter.write_line(
            f"\n{len(skipped)} skipped, and REQUIRE_BROWSER=1 allows none", red=True
        )
        session.exitstatus = _SKIPPED


def pytest_collection_finish() -> None:
    """Spare the garbage collector the tests themselves, which stay to the end."""
    gc.collect()
    gc.freeze()
