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
        self.pause, self.failed_at = 0.0, 0
        self.answered = self.begun = False
        self.chosen = True
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
            self.retry_at, self.pause, self.failed_at = event.retry_at, pause, self.model.count
            return
        assert not event.retry_at, event
        times = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        self.answered = True
        self.finish(None, f"activity {self.act['kind']!r} failed{times}: {text}")


class Child(Act):
    """A call of another program, which is a run of its own; its model is not a part of this one."""

    def __init__(self, model: Model, end: End, number: int, program: Node) -> None:
        super().__init__(model, end, {"k": number, "limit": None}, _same)
        self.program = program

    def take(self, event: HistoryEvent) -> None:
        assert not self.answered, f"a second end of child {self.act['k']}: {event}"
        self.answered = True
        if event.error == "canceled" and self.over:
            return
        if event.type == "activity_completed":
            self.finish(event.result)
            return
        name = "plain_program" if self.model.plain else "program"
        assert event.error, event
        self.finish(None, f"child workflow {name!r} ({event.child}) failed: {event.error}")


class Timer(Part):
    """Something that ends at its time, `seconds` after the event at which it was asked for."""

    def __init__(self, model: Model, end: End, seconds: float) -> None:
        super().__init__(model, end)
        self.seconds, self.asked_at = seconds, model.count
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


class AnyOrder(Part):
    """Calls one after the other, in an order that is up to the code: that of a set."""

    def __init__(
        self, model: Model, end: End, acts: dict[int, dict[str, Any]], values: dict[int, Any]
    ) -> None:
        super().__init__(model, end)
        self.values = values
        self.acts = {number: self._act(number, act) for number, act in acts.items()}
        model.choices.append(self)

    def _act(self, number: int, act: dict[str, Any]) -> Act:
        def ended(value: Any, error: str | None) -> None:
            if error is not None:
                self.give_up()
                self.finish(None, error)
                return
            self.values[number] = [number, *self.values.get(number, []), value]
            if all(each.over for each in self.acts.values()):
                self.finish([self.values[each] for each in sorted(self.acts)])

        made = Act(self.model, ended, act, lambda result: result)
        made.chosen = False
        return made

    def next(self) -> set[int]:
        """Return those calls of which one has to be made now; none if one is known to be."""
        acts = [] if self.over else [act for act in self.acts.values() if not act.over]
        return set() if any(act.begun for act in acts) else {act.act["k"] for act in acts}

    def give_up(self) -> None:
        for act in self.acts.values():
            act.cancel()


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


class Wait(Several):
    """Parts that are waited for in one of asyncio's modes, and then a call for each that ended."""

    def __init__(self, model: Model, end: End, mode: str, after: list[dict[str, Any]]) -> None:
        super().__init__(model, end, "wait")
        self.mode, self.after = mode, after
        self.rest: AnyOrder | None = None

    def _fail(self, number: int, error: str) -> None:
        self.values[number] = ["failed", error]
        self._check(failed=True)

    def _check(self, *, failed: bool = False) -> None:
        enough = self.mode == "FIRST_COMPLETED" or (self.mode == "FIRST_EXCEPTION" and failed)
        if self.over or self.rest or not (enough or len(self.values) == self.count):
            return
        super().give_up()
        acts = {number: self.after[number] for number in self.values}
        values = {number: [value] for number, value in self.values.items()}
        self.rest = AnyOrder(self.model, self.finish, acts, values)

    def give_up(self) -> None:
        super().give_up()
        if self.rest:
            self.rest.cancel()


class Completed(Several):
    """Parts that are taken as they end, with or without a call after each; no cancel stops them."""

    def __init__(self, model: Model, end: End, after: list[dict[str, Any]] | None) -> None:
        super().__init__(model, end, "completed")
        self.after = after
        self.queue: list[tuple[int, Any, str | None]] = []
        self.taken: list[Any] = []
        self.call: Act | None = None

    def _ender(self, number: int) -> End:
        def end(value: Any, error: str | None) -> None:
            self.queue.append((number, value, error))
            self._take()

        return end

    def _take(self) -> None:
        while self.queue and not self.over and self.call is None:
            number, value, error = self.queue.pop(0)
            if error is not None:
                self.finish(None, error)
            elif self.after:
                self.call = Act(self.model, self._called(number, value), self.after[number], _same)
            else:
                self._note([number, value])

    def _called(self, number: int, value: Any) -> End:
        def end(result: Any, error: str | None) -> None:
            self.call = None
            if error is not None:
                self.finish(None, error)
                return
            self._note([number, value, result])
            self._take()

        return end

    def _note(self, taken: Any) -> None:
        self.taken.append(taken)
        if len(self.taken) == self.count:
            self.finish(self.taken)

    def give_up(self) -> None:
        if self.call is not None:
            self.call.cancel()


class Compensated(Several):
    """A task group whose parts, when one fails, are canceled and then undone by a call each."""

    def __init__(self, model: Model, end: End, undo: list[dict[str, Any]]) -> None:
        super().__init__(model, end, "compensated")
        self.undo = undo
        self.failed: str | None = None
        self.calls: list[Act] = []

    def _fail(self, number: int, error: str) -> None:
        if self.failed is not None:
            return
        self.failed = error
        for other, part in enumerate(self.parts):
            if not part.over and other != number:
                part.cancel()
                self.calls.append(Act(self.model, self._undone, self.undo[other], _same))
        self._undone()

    def _undone(self, *_: Any) -> None:
        if all(call.over for call in self.calls):
            self.finish(None, self.failed)


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


def _same(result: Any) -> Any:
    return result


def near(one: datetime, other: datetime) -> bool:
    return abs(one - other) < timedelta(microseconds=5)
