"""The stand-in for Inngest with its gateway, as a server that workers find, lose and find again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self

from canned_server import Answer, Seen
from inngest_engine import InngestEngine, Run
from inngest_gateway import InngestGateway
from inngest_replay import Kind

from inngest_nb import InngestWorker

Serve = Callable[..., InngestWorker]
SECONDS = 60.0  # how long anything may take on a busy machine


class InngestSite:
    """The server, at one address while the `with` block lasts."""

    def __init__(self, kind: Kind = "dev", **settings: Any) -> None:
        self.engine = InngestEngine(kind, **settings)
        self.gateway = InngestGateway(self.engine, kind)
        self.url = self.engine.url
        self._heard = threading.Event()  # whether hung requests may go

    def __enter__(self) -> Self:
        self.engine.__enter__()
        self.gateway.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._heard.set()
        self.gateway.close()
        self.engine.__exit__(*error)

    # Its moods

    def go_away(self) -> None:
        """Be down: all connections break."""
        self.gateway.refuse()
        self.gateway.drop()
        self.engine.go_away()

    def come_back(self) -> None:
        """Be there again, at the same address."""
        self.engine.come_back()
        self.gateway.accept()

    def fail(self) -> None:
        """Answer every request with status 503, until `work`."""
        self._turn(
            lambda seen: Answer(503, (("x-inngest-server-kind", "dev"),), b"<b>overloaded</b>")
        )

    def hang(self) -> None:
        """Answer nothing, and keep connections open, until `work`."""
        self._heard.clear()
        self._turn(self._say_nothing)

    def work(self) -> None:
        """Answer as usual."""
        mounted = {path: say for path, say in self.engine.mounted.items() if path != "/"}
        self.engine.mounted = mounted
        self._heard.set()
        self.gateway.accept()

    def forget(self) -> None:
        """Forget all apps, as a dev server that was started again."""
        self.engine.do(self.engine.executor.functions.clear)

    def _turn(self, say: Callable[[Seen], Answer | None]) -> None:
        self.engine.mounted = {"/": say, **self.engine.mounted}
        self.gateway.refuse()
        self.gateway.drop()

    def _say_nothing(self, seen: Seen) -> None:
        self._heard.wait(2 * SECONDS)

    # What it knows and runs

    def functions(self) -> set[str]:
        """The full ids of the functions that have registered."""
        return self.engine.do(lambda: {*self.engine.executor.functions})

    def begin(self, slug: str, given: Any = None) -> Run:
        """Start a run of the function `<app>-<name>`, once that has registered."""
        until(lambda: slug in self.functions())
        return self.engine.invoke(slug, {"workflow_id": f"w-{time.monotonic_ns()}", "input": given})

    def run(self, slug: str, given: Any = None) -> Any:
        """Run a function to its end, and return the result."""
        run = self.ended(self.begin(slug, given))
        assert run.status == "COMPLETED", run.output
        return run.output

    def ended(self, run: Run) -> Run:
        """Wait until a run has ended."""
        return self.engine.ended(run, SECONDS)


def until(holds: Callable[[], Any], seconds: float = SECONDS) -> None:
    """Wait until something holds, which another thread or process brings about."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
