"""Checks the kernel that new notebooks get, and its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from inngest_nb.findings import Finding, Level
from inngest_nb.nesting import patched_by_old_package

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

_NAME = "python3"
_SECONDS = 30

# Runs in the kernel, which may be a different Python, with another version of this package or none.
_QUESTIONS = """
import asyncio, json, sys
try:
    import inngest_nb
    version = inngest_nb.__version__
except ImportError:
    version = None
old = hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2")
print(json.dumps({"python": sys.executable, "inngest_nb": version, "old": old}))
"""


def this_loop() -> Finding:
    """Report whether asyncio is patched in this process."""
    if patched_by_old_package():
        return _patched("this process", "remove that call and restart the kernel")
    nested = hasattr(asyncio, "_nest_asyncio2")
    return Finding(Level.OK, "event loop", "nested by nest-asyncio2" if nested else "not patched")


def kernels() -> Iterator[Finding]:
    """Start the kernel that a new notebook gets, query it, and shut it down."""
    try:
        import ipykernel  # noqa: F401  # without it there is no kernel to start
        from jupyter_client.kernelspec import NoSuchKernel
    except ImportError:
        return
    try:
        with _kernel() as client:
            answers = _ask(client)
    except (NoSuchKernel, OSError, RuntimeError, TimeoutError) as error:
        yield Finding(
            Level.TO_DO,
            "kernel",
            f"the kernel {_NAME!r} does not work ({' '.join(str(error).split())})",
            f"{sys.executable} -m ipykernel install --sys-prefix",
        )
        return
    python = answers["python"]
    if answers["inngest_nb"] is None:
        yield Finding(
            Level.TO_DO,
            "kernel",
            f"the kernel {_NAME!r} runs {python}, where inngest_nb is not installed",
            f"{sys.executable} -m ipykernel install --sys-prefix",
        )
    else:
        words = f"{_NAME} works: {python} with inngest_nb {answers['inngest_nb']}"
        yield Finding(Level.OK, "kernel", words)
    if answers["old"]:
        yield _patched(
            "every new kernel", "remove that call from IPython's startup files or configuration"
        )
    else:
        words = "not patched in a new kernel; inb.doctor() checks a running one"
        yield Finding(Level.OK, "event loop", words)


def _patched(where: str, cure: str) -> Finding:
    return Finding(
        Level.TO_DO,
        "event loop",
        f"{where} is patched by nest_asyncio.apply() of the old nest-asyncio; "
        "on ipykernel 7.1 and later, cells and clicks get lost",
        f"{cure}; use inb.enable_nested_asyncio() instead",
    )


@contextlib.contextmanager
def _kernel() -> Iterator[BlockingKernelClient]:
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name=_NAME)
    manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=_SECONDS)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def _ask(client: BlockingKernelClient) -> dict[str, Any]:
    said: list[str] = []

    def listen(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            said.append(message["content"]["text"])

    client.execute_interactive(_QUESTIONS, output_hook=listen, timeout=_SECONDS)
    # A startup file may print, too; ours is the last line.
    last = "".join(said).strip().rpartition("\n")[2]
    try:
        answers: dict[str, Any] = json.loads(last)
    except ValueError:
        raise RuntimeError(f"it started, but gave an unexpected answer: {last[:80]!r}") from None
    return answers
