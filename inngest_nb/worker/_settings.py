"""What a worker was told, and what it does at the moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from inngest_nb.api.basics import Settings
from inngest_nb.store import WorkflowStore

Via = Literal["connect", "http"]


class Running:
    """The names of what runs now, such as `order` or, more exactly, `order: charge`."""

    def __init__(self) -> None:
        self._names: dict[object, str] = {}  # by who noted them; several may have the same name

    @contextlib.contextmanager
    def noted(self, name: str) -> Iterator[None]:
        """Note a name while the block runs, in any thread."""
        mark = object()
        self.begin(mark, name)
        try:
            yield
        finally:
            self.end(mark)

    def begin(self, mark: object, name: str) -> None:
        """Note a name until `end` is called with the same mark."""
        self._names[mark] = name

    def end(self, mark: object) -> None:
        """Take a name away again."""
        self._names.pop(mark, None)

    def names(self) -> tuple[str, ...]:
        """Return the names, sorted, each once; a function only where no activity of it is named."""
        names = {*self._names.copy().values()}  # others change them meanwhile
        exact = {name.partition(": ")[0] for name in names if ": " in name}
        return tuple(sorted(names - exact))


@dataclass(frozen=True)
class WorkerSettings:
    """The checked arguments of `serve_on_inngest`. A repr shows no key.

    `running` is kept up to date by whoever runs something; `endings` are called once, in the
    worker's thread, when nothing of the worker runs any more.
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
    former_port: int | None = None  # that of the worker whose place it takes
    running: Running = field(default_factory=Running)
    endings: list[Callable[[], object]] = field(default_factory=list)

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
