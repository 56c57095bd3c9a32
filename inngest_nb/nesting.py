"""`asyncio.run` in a cell, where a loop is already running: only when asked for, and safely."""

from __future__ import annotations

import asyncio

from inngest_nb.errors import NestedAsyncioError


def enable_nested_asyncio() -> None:
    """Let `asyncio.run(...)` and `loop.run_until_complete(...)` work inside a running loop.

    It applies nest-asyncio2, to the whole process and for good; again is no error. Top-level
    `await` works in a cell without it. Raises `NestedAsyncioError`, and patches nothing, where the
    old nest-asyncio was applied first: Jupyter loses cells and clicks on such a loop.
    """
    if patched_by_old_package():
        raise NestedAsyncioError(
            "nest-asyncio 1.x has patched asyncio in this process, and that cannot be undone; "
            "on ipykernel 7.1 and later it loses cells and clicks. Take `nest_asyncio.apply()` "
            "out of your code, restart the kernel, and call enable_nested_asyncio() instead"
        )
    loop = _running_loop()
    if loop is not None and not isinstance(loop, asyncio.BaseEventLoop):
        raise NestedAsyncioError(
            f"a loop of type {type(loop).__module__}.{type(loop).__qualname__} cannot be nested; "
            "start the kernel with asyncio's own loop, or use `await` and the plain InngestStore"
        )
    import nest_asyncio2

    # Otherwise each `asyncio.run` in a thread would leave its loop open from now on.
    nest_asyncio2.apply(run_close_loop=True)


def patched_by_old_package() -> bool:
    """Tell whether nest-asyncio 1.x, not its continuation, has patched this process."""
    return hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
