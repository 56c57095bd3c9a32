"""The parts of a random program, as its model sees them: each waits for its own events.

A part tells the one around it how it ended. Nothing here knows of tasks, futures or replay.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from random_programs import Node

from inngest_nb import HistoryEvent

if TYPE_CHECKING:
    from program_model import Model

End = Callable[[Any, str | None], None]


class Part:
    """A piece of a program that has begun, until it ends or is given up."""

    def __init__(self, model: Model, end: End) -> None:
        self.model = model
        self.over = False
        self._end = end

    def finish(self, value: Any, error: str | None = None) -> None:
        if not self.over:
            self.over = True
            self._end(value, error)

    def cancel(self) -> None:
        if not self.over:
            self.over = True
            self.give_up()

    def give_up(self) -> None:
        """Stop what runs inside."""


class Act(Part):
    """A call of an activity."""

    def __init__(self, model: Model, end: End, act: dict[str, Any], shape: Callable[[Any], Any]):
        super().__init__(model, end)
        self.act = act
        self.attempts = 0  # that ended
        self.retry_at: datetime | None = None
        self.answered = False
        self._shape = shape
        model.acts[act["k"]] = self

    def take(self, event: HistoryEvent) -> None:
        k, attempt = self.act["k"], event.attempt
        assert not self.answered, f"a second end of call {k}: {event}"
        if event.error == "canceled":
            assert self.over, f"call {k} was given up, but is waited for"
            self.answered = True
            return
        assert attempt == self.attempts + 1, f"attempt {attempt} after {self.attempts}: {event}"
        self.attempts += 1
        works = self.attempts > self.act["fails"]
        late = self.act["limit"] and event.error.startswith("TimeoutError")
        text = f"TimeoutError: not finished within {self.act['limit']} s"
        text = text if late else f"ValueError: no {k}.{attempt}"
        if event.type == "activity_completed":
            assert works, event
            assert event.result[:2] == [k, attempt], event
            self.answered = True
            self.finish(self._shape(event.result))
            return
        assert event.error == text, event
        assert late or not works, event
        if self.attempts < self.act["attempts"]:
            pause = min(self.act["pause"] * 2 ** (self.attempts - 1), 60)
            assert isinstance(event.retry_at, datetime), event
            assert event.timestamp is not None
            assert near(event.retry_at, event.timestamp + timedelta(seconds=pause)), event
            self.retry_at = event.retry_at
            return
        assert not event.retry_at, event
        times = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        self.answered = True
        self.finish(None, f"activity {self.act['kind']!r} failed{times}: {text}")


class Timer(Part):
    """Something that ends at its time."""

    def __init__(self, model: Model, end: End, seconds: float) -> None:
        super().__init__(model, end)
        self.due = model.now + timedelta(seconds=seconds)
        model.timers[f"{seconds:.3f}"] = self


class Receive(Part):
    """A call that takes one payload of a signal."""

    def __init__(self, model: Model, end: End, name: str) -> None:
        super().__init__(model, end)
        self.name = name

    def begin(self) -> None:
        if self.model.mailboxes[self.name]:
            self.finish(self.model.mailboxes[self.name].pop(0))
        else:
            self.model.receivers[self.name].append(self)

    def give_up(self) -> None:
        self.model.receivers[self.name].remove(self)


class Iterate(Part):
    """A loop over so many payloads of a signal, from the run's first one."""

    def __init__(self, model: Model, end: End, name: str, count: int) -> None:
        super().__init__(model, end)
        self.name, self.count = name, count

    def look(self) -> None:
        seen = self.model.received[self.name][: self.count]
        if len(seen) == self.count:
            self.finish(seen)


class Several(Part):
    """Parts that run side by side; how they end together is up to `kind`."""

    def __init__(self, model: Model, end: End, kind: str) -> None:
        super().__init__(model, end)
        self.kind = kind
        self.parts: list[Part] = []
        self.values: dict[int, Any] = {}
        self.count = 0

    def begin(self, nodes: list[Node]) -> None:
        self.count = len(nodes)
        for number, node in enumerate(nodes):
            self.parts.append(self.model.begin(node, self._ender(number)))

    def _ender(self, number: int) -> End:
        def end(value: Any, error: str | None) -> None:
            if error is not None:
                self._fail(number, error)
                return
            self.values[number] = value
            self._check()

        return end

    def _fail(self, number: int, error: str) -> None:
        if self.over:
            return
        if self.kind != "gather":  # whose other parts go on
            self.give_up()
        self.finish(None, error)

    def _check(self) -> None:
        if self.over:
            return
        if self.kind == "race":
            ((first, value),) = self.values.items()
            self.give_up()
            self.finish([first, value])
        elif len(self.values) == self.count:
            self.finish([self.values[number] for number in range(self.count)])

    def give_up(self) -> None:
        for part in self.parts:
            part.cancel()


class Map(Part):
    """Calls for items, so many at a time."""

    def __init__(self, model: Model, end: End, acts: list[Any], most: int | None) -> None:
        super().__init__(model, end)
        self.acts, self.open = acts, {}
        self.values: dict[int, Any] = {}
        self.next = 0
        for _ in range(min(most or len(acts), len(acts))):
            self._begin_next()

    def _begin_next(self) -> None:
        number, self.next = self.next, self.next + 1

        def end(value: Any, error: str | None) -> None:
            self.open.pop(number)
            if error is not None:
                self.give_up()
                self.finish(None, error)
                return
            self.values[number] = value
            if self.next < len(self.acts):
                self._begin_next()
            elif len(self.values) == len(self.acts):
                self.finish([self.values[n] for n in range(len(self.acts))])

        self.open[number] = Act(self.model, end, self.acts[number], lambda result: result)

    def give_up(self) -> None:
        for act in self.open.values():
            act.cancel()


class Within(Part):
    """A part with a limit, or a `try` around it."""

    inner: Part | None = None
    timer: Part | None = None

    def give_up(self) -> None:
        for part in (self.inner, self.timer):
            if part is not None:
                part.cancel()


def near(one: datetime, other: datetime) -> bool:
    return abs(one - other) < timedelta(microseconds=5)
