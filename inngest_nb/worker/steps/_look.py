"""Looks for signals that were sent before the run waited for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from inngest_nb.api import AsyncInngestAPI, Event
from inngest_nb.engine.driven import Clock
from inngest_nb.worker.steps._exact import text_of

SIGNAL = "nb/signal."

# An event can be read about 200 ms after it was sent, and later on a busy machine.
_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (0.2, 0.4, 0.6))


async def look_for_signals(
    api: AsyncInngestAPI,
    clock: Clock,
    until: Callable[[datetime], Awaitable[None]],
    *,
    signal: str,
    workflow_id: str,
    since: datetime,
    seen: Collection[str],
) -> list[dict[str, Any]]:
    """Return the signals of a workflow that it has not seen, oldest first, each once.

    If there are none, looks again for about a second.
    """
    for pause in (None, *_PAUSES):
        if pause is not None:
            await until(clock.now() + pause)
        found: dict[str, Event] = {}
        events = await api.events(SIGNAL + signal, since=since, limit=None)
        for event in sorted(events, key=lambda event: event.event_id):
            if event.data.get("workflow_id") == workflow_id:
                found.setdefault(str(event.data.get("signal_id") or event.id), event)
        new = [_data(name, event) for name, event in found.items() if name not in seen]
        if new:
            return new
    return []


def _data(signal_id: str, event: Event) -> dict[str, Any]:
    when = event.received_at or event.sent_at
    data = {name: event.data[name] for name in ("payload", "exact") if name in event.data}
    return data | {"signal_id": signal_id} | ({} if when is None else {"at": text_of(when)})
