"""JupyterLab as a child process that ends when this one does."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Self
from urllib.parse import quote

from jupyter_core.paths import jupyter_runtime_dir

_STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.2


class JupyterLab:
    """JupyterLab on a folder, run by this Python for as long as the `with` block lasts.

    It opens the notebook `first`. Its kernels inherit `environment`; its warnings and errors are
    printed with ours.
    """

    def __init__(
        self,
        folder: Path,
        first: str,
        port: int | None,
        options: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        # Not `jupyter lab`: that runs the first jupyter-lab on the PATH, perhaps another Python's.
        self._command = [sys.executable, "-m", "jupyterlab", "--Application.log_level=WARN"]
        self._opens = f"lab/tree/{quote(first)}"
        self._command.append(f"--LabApp.default_url=/{self._opens}")
        self._command.append(f"--ServerApp.root_dir={folder}")
        if port is not None:
            self._command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            self._command.append("--allow-root")  # containers often have no other user
        self._command += options
        self._environment = {**os.environ, **environment}
        self._folder = folder

    def __enter__(self) -> Self:
        self._private = TemporaryDirectory(prefix="inngest-nb-")
        if not {"JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE"} & self._environment.keys():
            # In a file, because kernels inherit the environment. Jupyter would make a token too,
            # but then print its address three times between our lines.
            token = Path(self._private.name) / "token"
            token.write_text(secrets.token_hex(24))
            self._environment["JUPYTER_TOKEN_FILE"] = str(token)
        self._ask_nothing_about_news(Path(self._private.name) / "labconfig")
        self._process = subprocess.Popen(  # noqa: S603  # the user's own options, and no shell
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            # Ctrl-C is handled here only: Jupyter would ask for confirmation, and kernels get it.
            start_new_session=True,
        )
        # Where it will write its address; a file that is already there is from an older process.
        self._info = Path(jupyter_runtime_dir()) / f"jpserver-{self._process.pid}.json"
        self._info.unlink(missing_ok=True)
        return self

    def _ask_nothing_about_news(self, settings: Path) -> None:
        """Switch off the question that covers part of the first notebook, here only."""
        settings.mkdir()
        disabled = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
        (settings / "page_config.json").write_text(json.dumps(disabled))
        paths = [str(settings.parent), self._environment.get("JUPYTER_CONFIG_PATH", "")]
        self._environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))

    def __exit__(self, *error: object) -> None:
        self._process.terminate()  # Jupyter ends its kernels then
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._private.cleanup()

    def wait_for_url(self, end: Event) -> str | None:
        """Return its address with the token, once it answers; None if it ended first."""
        while not self._over(end):
            try:
                info = json.loads(self._info.read_text())
            except (FileNotFoundError, ValueError):  # not there, or not whole yet
                continue
            token = f"?token={info['token']}" if info["token"] else ""
            return f"{info['url']}{self._opens}{token}"
        return None

    def wait(self, end: Event) -> int:
        """Return its exit status when it ends by itself, or 0 when `end` is set first."""
        while not self._over(end):
            pass
        return self._process.poll() or 0

    def _over(self, end: Event) -> bool:
        """Wait a moment, then tell whether it has ended or should end."""
        return end.wait(_LOOK_SECONDS) or self._process.poll() is not None
