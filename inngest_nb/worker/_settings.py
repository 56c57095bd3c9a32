"""What a worker was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from inngest_nb.api.basics import Settings
from inngest_nb.engine.driven import Clock
from inngest_nb.store import WorkflowStore
from inngest_nb.worker._running import Running

Via = Literal["connect", "http"]


@dataclass(frozen=True)
class WorkerSettings:
    """The checked arguments of `serve_on_inngest`. A repr shows no key.

    `running` is kept up to date by whoever runs something.
    """

    app_id: str
    via: Via
    server: Settings
    instance_id: str
    retries: int
    concurrency: int | None
    host: str
    port: int
    store: WorkflowStore | None
    clock: Clock | None = None
    former_port: int | None = None  # that of the worker whose place it takes
    running: Running = field(default_factory=Running)

    def api_arguments(self) -> dict[str, Any]:
        """Return the arguments for an `InngestAPI` of the same server and keys, checked already."""
        server = self.server
        signing = [named for named in server.signing_keys if named.source == "signing_key"]
        event = server.event_key
        return {
            "base_url": server.url,
            "event_base_url": server.event_url,
            # Without an argument, it reads the variables as we have; an empty one means no key.
            "signing_key": signing[0].key.revealed() if signing else _none_or(server.signing_keys),
            "event_key": event.key.revealed()
            if event and event.source == "event_key"
            else (_none_or(event)),
            "allow_insecure": True,
        }


def _none_or(found: object) -> str | None:
    return None if found else ""
