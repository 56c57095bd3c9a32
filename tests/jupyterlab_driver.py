"""A real JupyterLab on loopback, and a page of it as a person would use it.

`LabServer` is the process, `LabPage` one browser page with one notebook open. Both are slow to
begin and hard to wait for, so all that is known about waiting for JupyterLab stands here: a
promise that says when every cell is done, the kernel's own word that it is idle, never a sleep.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import httpx
import nbformat
from playwright.sync_api import Dialog, Locator, Page, Route, WebSocket

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
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

# What a stock JupyterLab does that would get between a test and its notebook.
_SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # Else cells outside the window are not in the page, and an empty page follows the last one.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
_THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
_LOOPBACK = "127.0.0.1"
_BEYOND_LOOPBACK = re.compile(r"^(https?|wss?)://(?!127\.0\.0\.1[:/])")

_PANEL = ".jp-NotebookPanel:visible"
_KERNEL_IS_IDLE = """() => {
    const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}"""
_START_RUN_ALL = """() => {
    window.everyCellRan = false;
    window.jupyterapp.commands.execute('notebook:run-all-cells')
        .finally(() => { window.everyCellRan = true; });
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


class LabServer:
    """A JupyterLab process of its own: own settings, own kernels' folders, own random token."""

    def __init__(self, python: str, folder: Path) -> None:
        self.root = folder / "root"
        self._own = folder / "jupyter"
        self._python = python
        self._token = uuid.uuid4().hex
        with socket.socket() as probe:
            probe.bind((_LOOPBACK, 0))
            self._port: int = probe.getsockname()[1]
        self._api = httpx.Client(
            base_url=f"http://{_LOOPBACK}:{self._port}",
            headers={"Authorization": f"token {self._token}"},
            trust_env=False,
            timeout=20,
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, within: float = 60) -> None:
        """Start the server and return when it answers."""
        self.root.mkdir(parents=True)
        self._write_settings()
        log = self._own / "server.log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                self._command(),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                self._api.get("/api/status").raise_for_status()
                return
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)
                break
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-4000:]}")

    def stop(self) -> None:
        """End the server and every kernel it started."""
        if self._process is None:
            return
        with suppress(httpx.TransportError):
            self._api.post("/api/shutdown")
        self._api.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def address(self, notebook: Path) -> str:
        """Return the URL that opens a notebook of `root` in a workspace nobody used before."""
        path = notebook.relative_to(self.root).as_posix()
        workspace = uuid.uuid4().hex
        return str(
            self._api.base_url.join(f"/lab/workspaces/{workspace}/tree/{path}").copy_with(
                params={"token": self._token, "reset": ""}
            )
        )

    def forget(self) -> None:
        """End every session and its kernel, and what was set meanwhile, such as the theme."""
        for session in self._api.get("/api/sessions").raise_for_status().json():
            self._api.delete(f"/api/sessions/{session['id']}")
        for kernel in self._api.get("/api/kernels").raise_for_status().json():
            self._api.delete(f"/api/kernels/{kernel['id']}")
        self._write_settings()

    def _write_settings(self) -> None:
        folder = self._own / "settings"
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in _SETTINGS.items():
            file = folder / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(value))

    def _command(self) -> list[str]:
        return [
            self._python,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            f"--ServerApp.ip={_LOOPBACK}",
            f"--ServerApp.port={self._port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.terminals_enabled=False",
            f"--IdentityProvider.token={self._token}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None",
            "--LabApp.extension_manager=readonly",
            "--MappingKernelManager.default_kernel_name=python3",
        ]

    def _environment(self) -> dict[str, str]:
        """Return ours without what would lead the server or its kernels to the user's settings."""
        strange = ("JUPYTER", "JPY_", "INNGEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        return kept | {
            "JUPYTER_CONFIG_DIR": str(self._own / "config"),
            "JUPYTER_DATA_DIR": str(self._own / "data"),
            "JUPYTER_RUNTIME_DIR": str(self._own / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(self._own / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self._own / "workspaces"),
            "IPYTHONDIR": str(self._own / "ipython"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "NO_PROXY": _LOOPBACK,
            "no_proxy": _LOOPBACK,
        }


class LabPage:
    """One page of JupyterLab with a notebook in it.

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
        page.context.route(_BEYOND_LOOPBACK, self._refuse)
        page.on("websocket", self._on_websocket)
        page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        page.on("dialog", self._on_dialog)

    def open(self, notebook: Path) -> None:
        """Open a copy of a notebook file and wait until its kernel is ready to run."""
        copy = self.folder / notebook.name
        self.folder.mkdir(parents=True, exist_ok=True)
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
        """Return when the cells that `start_run_all` started are done."""
        self.page.wait_for_function("() => window.everyCellRan", timeout=within * 1000)

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

    def theme(self, name: Literal["light", "dark"]) -> None:
        """Switch JupyterLab's theme."""
        change = (
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
        )
        self.page.evaluate(change, _THEMES[name])
        is_light = json.dumps(name == "light")
        self.page.locator(f'body[data-jp-theme-light="{is_light}"]').wait_for(state="attached")

    def resize(self, width: int, height: int = 900) -> None:
        """Give the browser's window this size in CSS pixels."""
        self.page.set_viewport_size({"width": width, "height": height})

    def screenshot(self, name: str, *, whole: bool = False) -> Path:
        """Save what is seen as `<name>.png`; `whole` shows the notebook from top to bottom."""
        file = self._screenshots / f"{name}.png"
        size = self.page.viewport_size
        if whole and size is not None:
            height = self.page.evaluate(_HEIGHT_OF_ALL_CELLS)
            self.resize(size["width"], min(max(height, size["height"]), 16_000))
        self.page.screenshot(path=file, animations="disabled", caret="hide")
        if whole and size is not None:
            self.resize(size["width"], size["height"])
        return file

    def assert_undisturbed(self) -> None:
        """Fail when the page wanted to leave loopback, had an error, or ran a hostile script."""
        assert self.external == [], "the page asked for addresses beyond loopback"
        assert self.page_errors == [], "the page had uncaught errors"
        assert self.dialogs == [], "a script in the page opened a dialog"

    def _show(self, notebook: Path) -> None:
        self.page.goto(self._server.address(notebook))
        self.page.wait_for_function("() => window.jupyterapp?.restored")
        self.page.evaluate("() => window.jupyterapp.restored.then(() => true)")
        self.page.locator(f"{_PANEL} .jp-Cell").first.wait_for()
        self.page.wait_for_function(_KERNEL_IS_IDLE, timeout=60_000)
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")

    def _refuse(self, route: Route) -> None:
        self.external.append(route.request.url)
        route.abort()

    def _on_websocket(self, socket: WebSocket) -> None:
        if _BEYOND_LOOPBACK.match(socket.url):
            self.external.append(socket.url)

    def _on_dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()
