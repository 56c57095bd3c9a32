"""A session's JupyterLab and Chromium, and for each test a page with a kernel of its own.

`LAB_PYTHON=/another/venv/bin/python` runs the tests against that environment's JupyterLab and
kernel. A page that failed is to be seen in the folder `screenshots`, which `SCREENSHOTS` moves, and
with `PICTURES=1` all that is worth looking at.
"""

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyterlab_driver import CHROMIUM_ARGS, LabPage, find_chromium
from jupyterlab_server import LabServer
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from story_server import StoryServer

_HERE = Path(__file__).parent
# `expect` has a patience of its own, five seconds, whatever the page's is.
_PATIENCE = 60_000


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is collected here, and run it last.

    Playwright's sync API leaves its own event loop running in the main thread, so that after it
    no other test could call `asyncio.run`.
    """
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker("browser")
    items.sort(key=lambda item: item.path.is_relative_to(_HERE))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A Chromium; without one the test is skipped, or fails when `REQUIRE_BROWSER=1`.

    It has a folder of its own, where it keeps what JupyterLab's scripts are compiled to.
    """
    path = find_chromium()
    if path is None:
        refuse = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        refuse("no Chromium found: install chromium, or set CHROMIUM to the path of one")
    expect.set_options(timeout=_PATIENCE)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=path,
            args=CHROMIUM_ARGS,
            locale="en-US",
            reduced_motion="reduce",
        ) as window,
    ):
        yield window


@pytest.fixture(scope="session")
def spare(browser: BrowserContext) -> list[Page]:
    """The page of the last test, if that left it as it should: JupyterLab is loaded there."""
    return []


@pytest.fixture(scope="session")
def lab_server(
    browser: BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabServer]:
    """A running JupyterLab, asked for after the browser so that a skip doesn't start it."""
    python = os.environ.get("LAB_PYTHON", sys.executable)
    # What ends the tests ends them as Ctrl-C does: by way of the line that stops the server.
    terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with StoryServer() as inngest:
        server = LabServer(python, tmp_path_factory.mktemp("jupyterlab"), inngest.url)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            signal.signal(signal.SIGTERM, terminate)


@pytest.fixture
def lab(
    browser: BrowserContext,
    spare: list[Page],
    lab_server: LabServer,
    request: pytest.FixtureRequest,
) -> Iterator[LabPage]:
    """A page of JupyterLab that must not leave loopback, throw errors or open dialogs."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    screenshots = Path(os.environ.get("SCREENSHOTS", request.config.rootpath / "screenshots"))
    page = spare.pop() if spare else browser.new_page()
    page.set_default_timeout(_PATIENCE)
    lab = LabPage(page, lab_server, lab_server.root / name, screenshots)
    lab.resize(1280)
    failed_before = request.session.testsfailed
    yield lab
    failed = request.session.testsfailed > failed_before
    if failed:
        lab.screenshot(f"FAILED-{name}")
    if failed or not lab.leave():
        page.close()
    else:
        spare.append(page)
    lab_server.forget()
    lab.assert_undisturbed()
