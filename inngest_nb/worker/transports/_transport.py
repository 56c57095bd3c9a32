"""Serving by one of the two transports until the worker is closed, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from inngest_nb.errors import ServerStartError
from inngest_nb.worker._presence import Presence
from inngest_nb.worker._settings import WorkerSettings
from inngest_nb.worker.transports._watch import Watch

if TYPE_CHECKING:
    import inngest

_PAUSE_SECONDS = 2.0

_log = logging.getLogger("inngest_nb.worker")


async def serve(
    client: inngest.Inngest,
    functions: list[inngest.Function[Any]],
    settings: WorkerSettings,
    presence: Presence,
    closing: asyncio.Event,
) -> None:
    """Serve functions until `closing`; return when what was begun has ended."""
    if settings.via == "http":
        from inngest_nb.worker.transports._http import serve_http as transport
    else:
        from inngest_nb.worker.transports._connect import serve_connect as transport
    watch = Watch(settings, {function.local_id for function in functions}, closing)
    try:
        while not watch.is_over():
            try:
                await transport(client, functions, settings, presence, watch)
            except ServerStartError:  # at first for whoever serves; later, it would not help
                raise
            except Exception:  # a fault must not end a worker on which runs wait
                if presence.state == "connecting":
                    raise
                _log.exception("worker %r begins anew; please report this", settings.app_id)
                await watch.pause(_PAUSE_SECONDS)
    finally:
        await watch.aclose()
