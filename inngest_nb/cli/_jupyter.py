"""JupyterLab as a child process that does not outlive us."""

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

from jupyter_core.paths import jupyter_runtime_dir

_STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.2


class JupyterLab:
    """JupyterLab on a folder, run by this very Python while the `with` block lasts.

    Its kernels find `environment` in theirs. Its warnings and errors pass through to ours.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None,
        options: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        # Not `jupyter lab`, which takes the first jupyter-lab of the PATH, maybe another Python's.
        self._command = [sys.executable, "-m", "jupyterlab", "--Application.log_level=WARN"]
        self._command.append(f"--ServerApp.root_dir={folder}")
        if port is not None:
            self._command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            self._command.append("--allow-root")  # in a container there is nobody else to be
        self._command += options
        self._environment = {**os.environ, **environment}
        self._folder = folder

    def __enter__(self) -> Self:
        self._private = TemporaryDirectory(prefix="inngest-nb-")
        if not {"JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE"} & self._environment.keys():
            # In a file, as the kernels inherit the environment. Jupyter would make a token too,
            # but then print its address in three ways, in the middle of our lines.
            token = Path(self._private.name) / "token"
            token.write_text(secrets.token_hex(24))
            self._environment["JUPYTER_TOKEN_FILE"] = str(token)
        self._process = subprocess.Popen(  # noqa: S603  # the user's own options, and no shell
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            # Ctrl-C is for us alone: Jupyter would ask back, and its kernels would see it.
            start_new_session=True,
        )
        # Where it will write of itself; what is there now, an earlier process of this id left.
        self._info = Path(jupyter_runtime_dir()) / f"jpserver-{self._process.pid}.json"
        self._info.unlink(missing_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()  # Jupyter ends its kernels then
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._private.cleanup()

    def wait_for_url(self, end: Event) -> str | None:
        """Wait until it answers, and return its address with the token; None if it ended first."""
        while not self._over(end):
            try:
                info = json.loads(self._info.read_text())
            except (FileNotFoundError, ValueError):  # not there, or not whole yet
                continue
            token = f"?token={info['token']}" if info["token"] else ""
            return f"{info['url']}lab{token}"
        return None

    def wait(self, end: Event) -> int:
        """Wait until it ends by itself, and return its exit status; 0 when `end` is set first."""
        while not self._over(end):
            pass
        return self._process.poll() or 0

    def _over(self, end: Event) -> bool:
        """Look a moment later whether it has ended, or should."""
        return end.wait(_LOOK_SECONDS) or self._process.poll() is not None
