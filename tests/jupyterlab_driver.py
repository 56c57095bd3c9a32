"""A page of JupyterLab with one notebook, as a person would use it.

All that is known about waiting for JupyterLab stands here: a promise that says when every cell
is done, the kernel's own word that it is idle, never a sleep.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import nbformat
from jupyterlab_server import LabServer
from playwright.sync_api import Dialog, Locator, Page, Request, WebSocket, expect
from playwright.sync_api import TimeoutError as PatienceError

CHROMIUM_NAMES = (
    "chromium-headless-shell",  # takes a third less time than the whole browser
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
)
CHROMIUM_ARGS = (
    "--no-sandbox",  # root, and containers without user namespaces
    "--disable-dev-shm-usage",  # a small /dev/shm crashes the page
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--force-color-profile=srgb",
)

_TALLEST = 16_000  # beyond, Chromium repeats the top of the page
_THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
# JupyterLab's words for what widgets still asked of the kernel when a notebook was closed. They can
# come so late that the next test on the page hears them.
_OF_A_CLOSED_NOTEBOOK = "Canceled future for create_subshell_request"
_BEYOND_LOOPBACK = re.compile(r"^(https?|wss?)://(?!127\.0\.0\.1[:/])")

_PANEL = ".jp-NotebookPanel:visible"
_WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
_DRAWN_WIDGET = (
    f"{_PANEL} .jp-Cell-outputArea > .jp-OutputArea-child > .jp-OutputArea-output"
    " > .jupyter-widgets:not(.jupyter-error-widget)"
)
_KERNEL_IS_IDLE = """() => {
    const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}"""
_START_RUN_ALL = """() => {
    window.everyCellRan = false;
    window.jupyterapp.commands.execute('notebook:run-all-cells')
        .finally(() => { window.everyCellRan = true; });
}"""
_WHAT_HAS_NOT_RUN = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const kernel = panel.sessionContext.session?.kernel;
    const text = output => [output.text ?? output.evalue ?? output.data?.['text/plain'] ?? ''].flat();
    const lines = panel.content.widgets.map((cell, index) => ({cell, index}))
        .filter(({cell}) => cell.model.type === 'code')
        .filter(({cell}) => cell.model.executionCount === null || cell.model.executionState === 'running')
        .map(({cell, index}) => {
            const source = cell.model.sharedModel.getSource().trim().split('\\n')[0];
            const last = cell.model.outputs.toJSON().slice(-2).map(output =>
                `\\n        ${output.output_type} ${text(output).join('').slice(-400)}`);
            return `    cell ${index} [${cell.model.executionState}] ${source}${last.join('')}`;
        });
    return [`for the page the kernel is ${kernel?.status}, ${kernel?.connectionStatus}`,
            `of these cells the page has heard no end:`, ...lines].join('\\n');
}"""
_EXECUTE_UNSEEN = """code => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    return kernel.requestExecute({code, silent: true, store_history: false}).done.then(() => null);
}"""
_OPEN = """path => window.jupyterapp.commands.execute('docmanager:open', {path}).then(opened => {
    for (const other of [...window.jupyterapp.shell.widgets('main')])
        if (other !== opened) other.dispose();
})"""
_SHUT_DOWN = """async () => {
    for (const panel of [...window.jupyterapp.shell.widgets('main')]) {
        if (panel.context) panel.context.model.dirty = false;
        await panel.sessionContext?.shutdown();
        panel.dispose();  // its widgets may complain of the kernel that is gone
    }
}"""
_HEIGHT_OF_ALL_CELLS = """() => {
    const notebook = window.jupyterapp.shell.currentWidget.content.node;
    const scroller = notebook.querySelector('.jp-WindowedPanel-outer') ?? notebook;
    return window.innerHeight - scroller.clientHeight + scroller.scrollHeight;
}"""


def find_chromium() -> str | None:
    """Return the path of a Chromium: `$CHROMIUM`, else one of the usual names, else None."""
    names = (os.environ.get("CHROMIUM"), *CHROMIUM_NAMES)
    return next((path for name in names if name and (path := shutil.which(name))), None)


class LabPage:
    """One page of JupyterLab with a notebook in it.

    Pictures to look at cost half a test's time, and are taken only where `PICTURES` is set.
    `external` holds every address beyond loopback that the page asked for (and did not get),
    `page_errors` its uncaught errors, `dialogs` the alerts that some script opened.
    """

    def __init__(self, page: Page, server: LabServer, folder: Path, screenshots: Path) -> None:
        self.page = page
        self.folder = folder
        self.external: list[str] = []
        self.page_errors: list[str] = []
        self.dialogs: list[str] = []
        self._server = server
        self._screenshots = screenshots
        self._is_loaded = page.url != "about:blank"
        # Not by a route: that would take every request through here, and switch off the cache.
        self._heard: dict[Any, Callable[..., None]] = {
            "request": self._on_request,
            "websocket": self._on_websocket,
            "pageerror": self._on_error,
            "dialog": self._on_dialog,
        }
        for event, hear in self._heard.items():
            page.on(event, hear)

    def open(self, notebook: Path) -> None:
        """Open a copy of a notebook file and wait until its kernel is ready to run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        copy = self.folder / notebook.name
        if notebook != copy:
            shutil.copyfile(notebook, copy)
        self._show(copy)

    def open_cells(self, *sources: str) -> None:
        """Open a notebook made of these code cells."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in sources],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        path = self.folder / "test.ipynb"
        self.folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        self._show(path)

    def run_all(self, within: float = 60) -> None:
        """Run every cell and return when the last one is done, or when one has failed."""
        self.start_run_all()
        self.wait_run_all(within)

    def start_run_all(self) -> None:
        """Start running every cell and return at once, to look at the page meanwhile."""
        self.page.evaluate(_START_RUN_ALL)

    def wait_run_all(self, within: float = 60) -> None:
        """Return when the cells that `start_run_all` started are done; else say what hangs."""
        try:
            self.page.wait_for_function("() => window.everyCellRan", timeout=within * 1000)
        except PatienceError:
            seen = self.page.evaluate(_WHAT_HAS_NOT_RUN)
            raise AssertionError(
                f"Run All was not over after {within:g} s\n{seen}\n{self._server.what_kernels_do()}"
            ) from None

    def set_in_kernel(self, name: str, value: str) -> None:
        """Set an environment variable in the kernel, unseen by the notebook."""
        code = f"import os; os.environ[{name!r}] = {value!r}; del os"
        self.page.evaluate(_EXECUTE_UNSEEN, code)

    @property
    def is_running(self) -> bool:
        """Whether the cells that `start_run_all` started are still at work."""
        return self.page.evaluate("() => window.everyCellRan === false")

    def cell(self, index: int) -> Locator:
        """Return the cell at this place, counting Markdown cells too."""
        return self.page.locator(f"{_PANEL} .jp-Notebook .jp-Cell").nth(index)

    def document(self) -> Any:
        """Return the notebook as JupyterLab would save it now."""
        shown = "window.jupyterapp.shell.currentWidget.content.model.toJSON()"
        return nbformat.from_dict(self.page.evaluate(f"() => {shown}"))

    def save(self) -> Path:
        """Save the notebook as JupyterLab does and return its file."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        shown = "window.jupyterapp.shell.currentWidget.context.localPath"
        return self.folder.parent / str(self.page.evaluate(f"() => {shown}"))

    def theme(self, name: str) -> None:
        """Switch JupyterLab's theme to "light" or "dark", and wait until its splash is gone.

        Switched again while the last one still fades, JupyterLab removes it twice and throws.
        """
        change = (
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
        )
        self.page.evaluate(change, _THEMES[name])
        is_light = json.dumps(name == "light")
        self.page.locator(f'body[data-jp-theme-light="{is_light}"]').wait_for(state="attached")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def resize(self, width: int, height: int = 900) -> None:
        """Give the browser's window this size in CSS pixels."""
        self.page.set_viewport_size({"width": width, "height": height})

    def wait_for_widgets(self, within: float = 60) -> None:
        """Return when every widget of the outputs is drawn, which JupyterLab does after the run."""
        outputs = [output for cell in self.document().cells for output in cell.get("outputs", ())]
        views = [output for output in outputs if _WIDGET_MIME in output.get("data", ())]
        drawn = self.page.locator(_DRAWN_WIDGET)
        expect(drawn).to_have_count(len(views), timeout=within * 1000)

    def screenshot(self, name: str, *, whole: bool = False) -> Path:
        """Save what is seen as `<name>.png`; `whole` shows the notebook from top to bottom."""
        file = self._screenshots / f"{name}.png"
        window = self.page.viewport_size
        assert window is not None
        if whole:
            height = self.page.evaluate(_HEIGHT_OF_ALL_CELLS)
            assert height <= _TALLEST, f"{name}: {height} pixels are too tall for one picture"
            self.resize(window["width"], max(height, window["height"]))
        self.page.screenshot(path=file, animations="disabled", caret="hide")
        self.resize(window["width"], window["height"])
        return file

    def picture(self, name: str) -> None:
        """Save the whole notebook as `<name>.png`, where pictures are wanted."""
        if os.environ.get("PICTURES"):
            self.screenshot(name, whole=True)

    def pictures(self, name: str, *widths: int) -> None:
        """Save the whole notebook in both themes at each of these widths, 700 and 1600 by default."""
        if os.environ.get("PICTURES"):
            for theme, width in product(_THEMES, widths or (700, 1600)):
                self.theme(theme)
                self.resize(width)
                self.screenshot(f"{name}-{theme}-{width}", whole=True)
            self.theme("light")
            self.resize(1280)

    def assert_undisturbed(self) -> None:
        """Fail when the page wanted to leave loopback, had an error, or ran a hostile script."""
        assert not self.external, f"the page asked for addresses beyond loopback: {self.external}"
        assert not self.page_errors, f"the page had uncaught errors: {self.page_errors}"
        assert not self.dialogs, f"a script in the page opened a dialog: {self.dialogs}"

    def leave(self) -> bool:
        """Hear no more, and close all notebooks; False if the page is not fit for another test."""
        disturbed = self.external or self.page_errors or self.dialogs
        if disturbed or self.page.is_closed() or self.page.url == "about:blank":
            return False
        for event, hear in self._heard.items():
            self.page.remove_listener(event, hear)
        self.page.evaluate(_SHUT_DOWN)
        if self.page.locator('body[data-jp-theme-light="false"]').count():
            self.theme("light")
        return True

    def _show(self, notebook: Path) -> None:
        if self._is_loaded:  # by an earlier test
            self._is_loaded = False
            self.page.evaluate(_OPEN, notebook.relative_to(self._server.root).as_posix())
        else:
            self.page.goto(self._server.address(notebook))
            self.page.wait_for_function("() => window.jupyterapp?.restored")
            self.page.evaluate("() => window.jupyterapp.restored.then(() => true)")
        self.page.locator(f"{_PANEL} .jp-Cell").first.wait_for()
        self.page.wait_for_function(_KERNEL_IS_IDLE, timeout=60_000)
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")

    def _on_error(self, error: object) -> None:
        if _OF_A_CLOSED_NOTEBOOK not in str(error):
            self.page_errors.append(str(error))

    def _on_request(self, request: Request) -> None:
        if _BEYOND_LOOPBACK.match(request.url):
            self.external.append(request.url)

    def _on_websocket(self, socket: WebSocket) -> None:
        if _BEYOND_LOOPBACK.match(socket.url):
            self.external.append(socket.url)

    def _on_dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # JupyterLab's own question about unsaved changes
            dialog.accept()
            return
        self.dialogs.append(dialog.message)
        dialog.dismiss()
