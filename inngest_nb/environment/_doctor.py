"""The two checkups: in a running kernel, and from the command line for new kernels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from inngest_nb.environment._file import file
from inngest_nb.environment._kernel import kernels, this_loop
from inngest_nb.environment._packages import packages
from inngest_nb.environment._server import servers
from inngest_nb.findings import Checkup, Finding

_TIMEOUT_SECONDS = 3.0


def doctor(
    base_url: str | None = None,
    event_key: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
) -> Checkup:
    """Check this process and the servers that it would use, and say what to fix.

        inb.doctor()

    Reports the installed versions, whether the event loop is patched by a package that loses
    messages, and what kind of server answers: the state server of `InngestStore()`, and the real
    Inngest server of `InngestAPI()`, with the first lines to write about its runs; with `base_url`,
    that server only. With `path`, also checks that database file and lists every damaged workflow.
    Nothing is changed, and no key is shown. `event_key` defaults as for `InngestStore`.
    """
    findings = *packages(), this_loop(), *servers(base_url, event_key, _TIMEOUT_SECONDS)
    return Checkup((*findings, *_file(path)))


def doctor_for_kernels(
    base_url: str | None = None, path: str | os.PathLike[str] | None = None
) -> Checkup:
    """Do the same from outside Jupyter, by starting a kernel for a moment."""
    findings = *packages(), *kernels(), *servers(base_url, None, _TIMEOUT_SECONDS)
    return Checkup((*findings, *_file(path)))


def _file(path: str | os.PathLike[str] | None) -> Iterator[Finding]:
    return iter(()) if path is None else file(Path(path).absolute())
