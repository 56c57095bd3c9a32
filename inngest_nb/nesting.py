"""Make `asyncio.run` work in a cell, where a loop is already running; only on request."""

from __future__ import annotations

import asyncio

from inngest_nb.errors import NestedAsyncioError


def enable_nested_asyncio() -> None:
    """Let `asyncio.run(...)` and `loop.run_until_complete(...)` work inside a running loop.

    Applies nest-asyncio2 to the whole process; this cannot be undone. Calling it again does
    nothing. Top-level `await` in a cell works without it.

    Raises `NestedAsyncioError`, and patches nothing, if the old nest-asyncio has already been
    applied, because Jupyter loses cells and clicks on such a loop, or if the loop is not one of
    asyncio's own.
    """
    if patched_by_old_package():
        raise NestedAsyncioError(
            "nest-asyncio 1.x has patched asyncio in this process, which cannot be undone; "
            "on ipykernel 7.1 and later it loses cells and clicks. Remove `nest_asyncio.apply()` "
            "from your code, restart the kernel, and call enable_nested_asyncio() instead"
        )
    loop = _running_loop()
    if loop is not None and not isinstance(loop, asyncio.BaseEventLoop):
        raise NestedAsyncioError(
            f"a loop of type {type(loop).__module__}.{type(loop).__qualname__} cannot be nested; "
            "start the kernel with asyncio's own loop, or use `await` or the blocking InngestStore"
        )
    import nest_asyncio2

    # Otherwise every later `asyncio.run` in a thread would leave its loop open.
    nest_asyncio2.apply(run_close_loop=True)


def patched_by_old_package() -> bool:
    """Tell whether nest-asyncio 1.x (not nest-asyncio2) has patched this process."""
    return hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
