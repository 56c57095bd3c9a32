"""Checks which versions are installed, and which of them don't work together."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from inngest_nb._version import __version__
from inngest_nb.findings import Finding, Level

_NEEDED = ("pandas", "ipywidgets", "httpx", "msgspec", "nest-asyncio2")
_FOR_LAB = ("jupyterlab", "jupyterlab_widgets", "ipykernel")

# Since this version, the kernel runs every cell in one context, which nest-asyncio 1.x enters a
# second time, so messages that arrive during a nested run are lost (seen with 7.1 to 7.4).
_LOSES_MESSAGES = (7, 1)
# From 7.0 on, until it was fixed in 7.4, a message that reaches the kernel while it sends a reply
# may not be noticed: that cell and all that follow then wait until the kernel is restarted.
_GOES_DEAF, _HEARS_AGAIN = (7, 0), (7, 4)


def packages() -> Iterator[Finding]:
    """Report the versions of relevant packages, and which are missing or too old."""
    yield Finding(Level.OK, "inngest_nb", __version__)
    yield Finding(Level.OK, "Python", f"{platform.python_version()}, {sys.executable}")
    least = _least_versions()
    for name in _NEEDED:
        yield _needed(name, least.get(name, ""))
    for name in _FOR_LAB:
        found = _version(name)
        if name == "ipykernel" and _GOES_DEAF <= _numbers(found) < _HEARS_AGAIN:
            words = f"{found}; it occasionally stops receiving cells until the kernel is restarted"
            yield Finding(Level.NOTE, name, words, 'pip install --upgrade "ipykernel>=7.4"')
        elif found:
            yield Finding(Level.OK, name, found)
        else:
            cure = 'for JupyterLab from this Python: pip install "inngest-nb[lab]"'
            yield Finding(Level.NOTE, name, "not installed", cure)
    yield _old_nest_asyncio(_version("nest-asyncio"), _version("ipykernel"))


def _needed(name: str, least: str) -> Finding:
    found = _version(name)
    if not found:
        return Finding(Level.TO_DO, name, "not installed", f'pip install "{name}>={least or 0}"')
    if least and _numbers(found) < _numbers(least):
        words = f"{found}, but {least} or later is required"
        return Finding(Level.TO_DO, name, words, f'pip install --upgrade "{name}>={least}"')
    return Finding(Level.OK, name, found)


def _old_nest_asyncio(found: str, ipykernel: str) -> Finding:
    name = "nest-asyncio"
    if not found:
        return Finding(Level.OK, name, "not installed, and not needed")
    if not ipykernel or _numbers(ipykernel) < _LOSES_MESSAGES:
        return Finding(Level.OK, name, f"{found}; harmless with ipykernel before 7.1")
    return Finding(
        Level.NOTE,
        name,
        f"{found}; after nest_asyncio.apply(), ipykernel {ipykernel} loses cells and clicks",
        "do not apply it; use inb.enable_nested_asyncio() instead",
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _least_versions() -> dict[str, str]:
    """Return the minimum versions that we require; empty if this package is not installed."""
    try:
        requirements = metadata.requires("inngest-nb") or []
    except metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([\w.-]+)>=([\d.]+)$", requirement) for requirement in requirements)
    return {match[1]: match[2] for match in found if match}


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()
