"""What a random program has to do, said without the engine: it is told events and says what follows.

Only their order counts, and of their times only when a timer is due that an earlier life armed.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from program_parts import (
    Act,
    AnyOrder,
    Child,
    Compensated,
    Completed,
    End,
    Iterate,
    Map,
    Part,
    Receive,
    Several,
    Timer,
    Wait,
    Within,
)
from random_programs import Node

from inngest_nb import HistoryEvent, WorkflowState
from inngest_nb.state import UNSET


class Model:
    """A run of a program, as far as its history goes."""

    def __init__(self, program: Node, *, plain: bool) -> None:
        self.program, self.plain = program, plain
        self.now = datetime.min
        self.count = 0  # of events that were taken
        self.acts: dict[int, Act] = {}
        self.timers: dict[str, Timer] = {}
        self.mailboxes: dict[str, list[Any]] = defaultdict(list)
        self.receivers: dict[str, list[Receive]] = defaultdict(list)
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.iterators: list[Iterate] = []
        self.choices: list[AnyOrder] = []
        self.inputs: dict[int, dict[str, Any]] = {}
        self.numbers: dict[int, int] = {}
        self.outcome: tuple[Any, str | None] | None = None
        self.ended = ""
        self.deadline: datetime | None = None

    @classmethod
    def of(cls, state: WorkflowState | None, program: Node, *, plain: bool) -> Model:
        model = cls(program, plain=plain)
        for event in state.history if state else ():
            model.take(event)
        return model

    # What the machine asks

    def expected_open(self) -> dict[int, Act]:
        """Return the calls that are not answered and still waited for."""
        if self.outcome or self.ended:
            return {}
        waiting = {k: act for k, act in self.acts.items() if not act.over and not act.answered}
        known = {k: act for k, act in waiting.items() if act.chosen or act.begun}
        return {k: act for k, act in known.items() if not isinstance(act, Child)}

    def expected_children(self) -> dict[int, Child]:
        """Return the calls of other programs that are waited for."""
        over = self.outcome or self.ended
        calls = {} if over else {k: act for k, act in self.acts.items() if isinstance(act, Child)}
        return {k: call for k, call in calls.items() if not call.over and not call.answered}

    def expected_choices(self) -> list[set[int]]:
        """Return sets of calls, of each of which just one runs that is not known yet."""
        over = self.outcome or self.ended
        return [] if over else [ks for each in self.choices if (ks := each.next())]

    def expected_timers(self) -> list[Timer]:
        """Return the timers of the code, those of activities left out."""
        return [timer for timer in self.timers.values() if not timer.over]

    def expected_signals(self) -> set[str]:
        waiting = {name for name, parts in self.receivers.items() if parts}
        return waiting | {part.name for part in self.iterators if not part.over}

    # What the machine tells

    def take(self, event: HistoryEvent) -> None:
        """Let an event happen."""
        self._take(event)
        self.count += 1

    def _take(self, event: HistoryEvent) -> None:
        assert not self.ended, f"an event after the end: {event}"
        assert event.timestamp is not None
        if self.plain or self._wakes(event):
            self.now = max(self.now, event.timestamp) if self.now.tzinfo else event.timestamp
        kind = event.type
        if kind == "workflow_started":
            self.deadline = event.timestamp + event.timeout if event.timeout else None
            self.begin(self.program, lambda *outcome: setattr(self, "outcome", outcome))
        elif kind == "activity_started":
            self._note_start(event)
        elif kind in ("activity_completed", "activity_failed"):
            self.acts[self.numbers[int(event.seq or 0)]].take(event)
        elif kind == "signal_received":
            self._deliver(event.signal_name, event.signal_payload)
        elif kind == "timer_fired":
            self._fire(event)
        else:
            self.ended = str(kind).removeprefix("workflow_")

    def _wakes(self, event: HistoryEvent) -> bool:
        """Tell whether the code gets a turn, whose time then is the event's."""
        if event.type in ("workflow_started", "signal_received"):
            return True
        if event.type == "timer_fired":
            timer = self.timers.get(f"{event.duration.total_seconds():.3f}")
            return timer is not None and not timer.over
        if event.type in ("activity_completed", "activity_failed"):
            act = self.acts[self.numbers[int(event.seq or 0)]]
            return not act.over and not event.retry_at
        return False

    def _note_start(self, event: HistoryEvent) -> None:
        k = event.input["k"] if event.child is UNSET else self._child_of(event)
        assert k in self.acts, f"call {k} was begun, but never asked for: {event}"
        assert self.numbers.setdefault(int(event.seq or 0), k) == k, f"a number used twice: {event}"
        if event.child is UNSET:
            assert self.inputs.setdefault(k, event.input) == event.input, f"not as before: {event}"
        assert event.attempt == self.acts[k].attempts + 1, event
        self.acts[k].begun = True

    def _child_of(self, event: HistoryEvent) -> int:
        calls = {k: act for k, act in self.acts.items() if isinstance(act, Child)}
        found = [k for k, call in calls.items() if call.program == event.input]
        assert found, f"a child was begun, but never asked for: {event}"
        return found[0]

    def _deliver(self, name: str, payload: Any) -> None:
        self.received[name].append(payload)
        if self.receivers[name]:
            self.receivers[name].pop(0).finish(payload)
        else:
            self.mailboxes[name].append(payload)
        for iterator in list(self.iterators):
            if iterator.name == name and not iterator.over:
                iterator.look()

    def _fire(self, event: HistoryEvent) -> None:
        timer = self.timers[f"{event.duration.total_seconds():.3f}"]
        if not self.plain and not timer.over:  # the code's time is the timer's, whatever clocks say
            self.now = max(self.now, timer.due)
        timer.finish(None)

    # The program

    def begin(self, node: Node, end: End) -> Part:
        return getattr(self, f"_begin_{node[0]}")(end, *node[1:])

    def _begin_act(self, end: End, act: dict[str, Any]) -> Part:
        return Act(self, end, act, lambda result: result)

    def _begin_child(self, end: End, number: int, program: Node, _named: bool) -> Part:
        return Child(self, end, number, program)

    def _begin_answer(self, end: End, what: str, number: int, act: Node) -> Part:
        k = act[1]["k"]
        return Act(self, end, act[1], lambda result: [self.inputs[k]["answer"], result])

    def _begin_map(self, end: End, acts: list[Any], most: int | None) -> Part:
        return Map(self, end, acts, most)

    def _begin_sleep(self, end: End, seconds: float) -> Part:
        return Timer(self, lambda *_: end("slept", None), seconds)

    def _begin_recv(self, end: End, name: str, within: float | None) -> Part:
        if within is None:
            receive = Receive(self, end, name)
            receive.begin()
            return receive
        return self._limited(end, within, ["recv", name, None], "nothing")

    def _begin_timeout(self, end: End, seconds: float, part: Node) -> Part:
        return self._limited(end, seconds, part, "too late")

    def _limited(self, end: End, seconds: float, node: Node, late: str) -> Part:
        whole = Within(self, end)

        def over(value: Any, error: str | None) -> None:
            if whole.timer is not None:
                whole.timer.cancel()
            whole.finish(value, error)

        def fired(*_: Any) -> None:
            assert whole.inner is not None
            whole.inner.cancel()
            whole.finish(late)

        whole.inner = self.begin(node, over)
        if not whole.over:
            whole.timer = Timer(self, fired, seconds)
        return whole

    def _begin_iter(self, end: End, name: str, count: int) -> Part:
        iterator = Iterate(self, end, name, count)
        self.iterators.append(iterator)
        iterator.look()
        return iterator

    def _begin_seq(self, end: End, parts: list[Node]) -> Part:
        whole = Within(self, end)
        values: list[Any] = []

        def step(value: Any, error: str | None) -> None:
            if whole.over:
                return
            if error is not None:
                whole.finish(None, error)
                return
            values.append(value)
            if len(values) == len(parts):
                whole.finish(values)
                return
            self._next(whole, parts[len(values)], step)

        self._next(whole, parts[0], step)
        return whole

    def _next(self, whole: Within, node: Node, step: End) -> None:
        part = self.begin(node, step)
        if not part.over:
            whole.inner = part

    def _begin_try(self, end: End, part: Node) -> Part:
        whole = Within(self, end)

        def over(value: Any, error: str | None) -> None:
            whole.finish(value if error is None else ["failed", error])

        whole.inner = self.begin(part, over)
        return whole

    def _begin_raise(self, end: End, text: str) -> Part:
        part = Part(self, end)
        part.finish(None, f"ProgramError: {text}")
        return part

    def _begin_gather(self, end: End, parts: list[Node]) -> Part:
        return self._several("gather", end, parts)

    def _begin_group(self, end: End, parts: list[Node]) -> Part:
        return self._several("group", end, parts)

    def _begin_race(self, end: End, parts: list[Node]) -> Part:
        return self._several("race", end, parts)

    def _begin_completed(self, end: End, parts: list[Node], _tasks: bool, after: Any) -> Part:
        whole = Completed(self, end, after)
        whole.begin(parts)
        return whole

    def _begin_wait(self, end: End, parts: list[Node], mode: str, _own: bool, after: Any) -> Part:
        whole = Wait(self, end, mode, after)
        whole.begin(parts)
        return whole

    def _begin_compensated(self, end: End, parts: list[Node], undo: Any) -> Part:
        whole = Compensated(self, end, undo)
        whole.begin(parts)
        return whole

    def _begin_strings(self, end: End, acts: list[dict[str, Any]]) -> Part:
        def ended(values: Any, error: str | None) -> None:
            end(None if error else [value[1:] for value in values], error)

        return AnyOrder(
            self, ended, dict(enumerate(acts)), {n: [a["k"]] for n, a in enumerate(acts)}
        )

    def _several(self, kind: str, end: End, parts: list[Node]) -> Part:
        whole = Several(self, end, kind)
        whole.begin(parts)
        return whole
