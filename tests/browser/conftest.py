"""A session's JupyterLab and Chromium, and for each test a page with a kernel of its own.

`LAB_PYTHON=/another/venv/bin/python` runs the tests against that environment's JupyterLab and
kernel. `SCREENSHOTS` moves the folder of the screenshots.
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
from playwright.sync_api import Browser, expect, sync_playwright

_HERE = Path(__file__).parent
# `expect` has a patience of its own, five seconds, whatever the page's is.
_PATIENCE = 20_000


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
def browser() -> Iterator[Browser]:
    """A Chromium; without one the test is skipped, or fails when `REQUIRE_BROWSER=1`."""
    path = find_chromium()
    if path is None:
        refuse = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        refuse("no Chromium found: install chromium, or set CHROMIUM to the path of one")
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab_server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """A running JupyterLab, asked for after the browser so that a skip doesn't start it."""
    python = os.environ.get("LAB_PYTHON", sys.executable)
    server = LabServer(python, tmp_path_factory.mktemp("jupyterlab"))
    # What ends the tests ends them as Ctrl-C does: by way of the line that stops the server.
    terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        signal.signal(signal.SIGTERM, terminate)


@pytest.fixture
def lab(
    browser: Browser, lab_server: LabServer, request: pytest.FixtureRequest
) -> Iterator[LabPage]:
    """A page of JupyterLab that must not leave loopback, throw errors or open dialogs."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    screenshots = Path(os.environ.get("SCREENSHOTS", request.config.rootpath / "screenshots"))
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, locale="en-US", reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(_PATIENCE)
    lab = LabPage(page, lab_server, lab_server.root / name, screenshots)
    failed_before = request.session.testsfailed
    yield lab
    if request.session.testsfailed > failed_before:
        lab.screenshot(f"FAILED-{name}")
    context.close()
    lab_server.forget()
    lab.assert_undisturbed()
