"""A JupyterLab process of its own on loopback, with nothing of the user's settings."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

LOOPBACK = "127.0.0.1"

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
# Each kernel writes the stacks of its threads into a file when it is asked, also while it is stuck.
# An expression: a name would be seen by the notebook.
_TELLS_ITS_STACKS = """__import__("faulthandler").register(
    __import__("signal").SIGUSR1,
    file=open(f"{FOLDER}/stacks-{__import__('os').getpid()}.txt", "w"),
)
"""


class LabServer:
    """A JupyterLab process of its own: own settings, own kernels' folders, own random token.

    `inngest` is the address of the real Inngest that its notebooks are to find.
    """

    def __init__(self, python: str, folder: Path, inngest: str = "") -> None:
        self._inngest = inngest
        self.root = folder / "root"
        self._own = folder / "jupyter"
        self._python = python
        self._token = uuid.uuid4().hex
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            self._port: int = probe.getsockname()[1]
        self._api = httpx.Client(
            base_url=f"http://{LOOPBACK}:{self._port}",
            headers={"Authorization": f"token {self._token}"},
            trust_env=False,
            timeout=20,
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, within: float = 60) -> None:
        """Start the server and return when it answers."""
        self.root.mkdir(parents=True)
        self._write_settings()
        if hasattr(signal, "SIGUSR1"):
            self._let_kernels_tell_their_stacks()
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

    def what_kernels_do(self) -> str:
        """Say for each kernel what the server heard of it last, and where its threads are."""
        said = []
        for kernel in self._api.get("/api/kernels").raise_for_status().json():
            heard = f"{kernel['execution_state']} at {kernel['last_activity']}"
            said.append(f"for the server kernel {kernel['id']} is {heard}")
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children():
            with suppress(psutil.NoSuchProcess):
                if "ipykernel_launcher" in child.cmdline():
                    said.append(f"process {child.pid} has used {child.cpu_times().user:.1f} s of a")
                    said[-1] += f" processor\n{self._stacks(child)}"
        log = (self._own / "server.log").read_text(errors="replace")
        return "\n".join([*said, "the end of the server's log:", log[-4000:]])

    def _stacks(self, kernel: psutil.Process) -> str:
        file = self._own / f"stacks-{kernel.pid}.txt"
        if not file.exists():  # it has not come so far
            return "no stacks"
        kernel.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 5
        while not file.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        return file.read_text()

    def _let_kernels_tell_their_stacks(self) -> None:
        folder = self._own / "ipython" / "profile_default" / "startup"
        folder.mkdir(parents=True)
        code = _TELLS_ITS_STACKS.replace("{FOLDER}", self._own.as_posix())
        (folder / "00-stacks.py").write_text(code)

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
            f"--ServerApp.ip={LOOPBACK}",
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
            "INNGEST_API_BASE_URL": self._inngest,
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
        }
