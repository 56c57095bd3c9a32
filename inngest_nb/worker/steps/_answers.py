"""The answers that Inngest has for a run's steps, as the code is shown them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from inngest_nb.engine.driven import Activity, Call, Child, DrivenRun, Shown
from inngest_nb.worker.steps._sdk import hash_of
from inngest_nb.worker.steps._steps import (
    DEADLINE,
    AttemptStep,
    CancelStep,
    ChildStep,
    DeadlineStep,
    LookStep,
    MarkerStep,
    PauseStep,
    Step,
    TimerStep,
    WaitStep,
    attempt_name,
    cancel_name,
    look_name,
    marker_name,
    pause_name,
    timer_name,
    wait_name,
)

# Those whose answers neither depend on what the code did with the ones before, nor on the time.
_TOGETHER = (AttemptStep, ChildStep)


@dataclass
class _Mailbox:
    """The signals of one name: which wait is the current one, and what has come."""

    wait: int = 1
    looked: bool = False  # for what came before the current wait
    seen: set[str] = field(default_factory=set)


class Answers:
    """Shows the code the answers in the order in which they came, each in its own turn.

    An answer counts once the code waits for its step. Of those that do, the first is next, so that
    the same answers are shown in the same order by each request, also when there are more. `due` is
    until when the first one has to be held back: Inngest ends sleeps early.
    """

    def __init__(
        self,
        answers: Mapping[str, Any],
        order: Iterable[str],
        *,
        workflow_id: str,
        function_id: Callable[[Child], str],
        now: Callable[[], datetime],
        deadline: datetime | None = None,
    ) -> None:
        self.due: datetime | None = None
        self.is_parallel = False  # whether steps have ever waited together
        self._answers = answers
        known = [hashed for hashed in order if hashed in answers]
        self._left = dict.fromkeys([*known, *answers])
        self._workflow_id = workflow_id
        self._function_id = function_id
        self._now = now
        self._deadline = deadline
        self._paused: set[tuple[int, int]] = set()  # calls, and the attempts after a pause
        self._canceled: set[int] = set()  # children that were told so
        self._mail: dict[str, _Mailbox] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def seen(self, signal: str) -> frozenset[str]:
        """Return the ids of the signals of a name that the code has got."""
        return frozenset(self._mail.setdefault(signal, _Mailbox()).seen)

    def steps(self, run: DrivenRun) -> list[Step]:
        """Return the steps that the code waits for, or has dropped since it asked for them."""
        wanted = run.look()
        steps: list[Step] = [MarkerStep(name, n) for name, n in wanted.versions.items()]
        for call in wanted.calls:
            steps += self._steps_of(call)
        steps += [TimerStep(seq, timer) for seq, timer in wanted.timers.items()]
        for name in wanted.signals:
            mail = self._mail.setdefault(name, _Mailbox())
            steps.append(WaitStep(name, mail.wait, self._workflow_id))
            if not mail.looked:
                steps.append(LookStep(name, mail.wait))
        if self._deadline is not None:
            steps.append(DeadlineStep(self._deadline))
        return steps

    def _steps_of(self, call: Activity) -> list[Step]:
        if isinstance(call, Child):
            steps: list[Step] = [ChildStep(call, self._function_id(call), self._workflow_id)]
            if call.is_dropped and not call.order.detached and call.seq not in self._canceled:
                steps.append(CancelStep(call))
            return steps
        if call.again_at is not None and (call.seq, call.next_attempt) not in self._paused:
            return [PauseStep(call)]
        return [AttemptStep(call)]

    # Called while the code runs, in the engine's threads

    def next_events(self, run: DrivenRun) -> Sequence[Shown]:
        """Return what the code is shown next."""
        self.due = None
        while True:
            steps = {hash_of(step.name): step for step in self.steps(run)}
            self.is_parallel = self.is_parallel or len(steps) > 1
            taken = self._next_steps(steps)
            events = [event for hashed, step in taken for event in self._take(hashed, step, run)]
            if events or not taken or run.has_ended:
                return events

    def _next_steps(self, steps: Mapping[str, Step]) -> list[tuple[str, Step]]:
        """Return the first step that is answered, and those whose answers follow at once."""
        taken: list[tuple[str, Step]] = []
        for place, hashed in enumerate(self._left):
            step = steps.get(hashed)
            if step is None or not self._may_take(step):
                if taken:
                    break
                continue
            if step.due is not None and step.due > self._now():
                if not taken:
                    self.due = step.due
                break
            if taken and not isinstance(step, _TOGETHER):
                break
            taken.append((hashed, step))
            # An answer before it may be wanted next, and comes before those that follow.
            if place >= len(taken) or not isinstance(step, _TOGETHER):
                break
        return taken

    def _may_take(self, step: Step) -> bool:
        # What came earlier is found by the look, and comes first.
        return not isinstance(step, WaitStep) or self._mail[step.signal].looked

    def _take(self, hashed: str, step: Step, run: DrivenRun) -> list[Shown]:
        del self._left[hashed]
        events = step.shown(self._answers[hashed], run.now)
        if isinstance(step, PauseStep):
            self._paused.add((step.call.seq, step.call.next_attempt))
        elif isinstance(step, CancelStep):
            self._canceled.add(step.child.seq)
        elif isinstance(step, DeadlineStep):
            self._deadline = None
            run.time_out()
        elif isinstance(step, WaitStep | LookStep):
            mail = self._mail[step.signal]
            if isinstance(step, LookStep):
                mail.looked = True
            else:
                mail.wait, mail.looked = mail.wait + 1, False
            events = [event for event in events if event[2]["message"] not in mail.seen]
            mail.seen.update(event[2]["message"] for event in events)
        return events

    def has_more(self, run: DrivenRun) -> bool:
        """Tell whether there are answers to steps that the code has not asked for."""
        if not self._left:
            return False
        asked = {hash_of(name) for name in self.asked(run)}
        return any(hashed not in asked for hashed in self._left)

    def asked(self, run: DrivenRun) -> Iterable[str]:
        """Yield the names of all steps that the code may have asked for so far."""
        yield DEADLINE
        yield from (step.name for step in self.steps(run))
        for call in run.asked:
            if call.kind == "timer":
                yield timer_name(call.seq)
            elif call.kind == "activity":
                yield from self._attempts(call)
            elif call.kind == "workflow":
                yield attempt_name(call.seq, call.name, 1)
                yield cancel_name(call.seq, call.name)
            elif call.kind == "signal":
                mail = self._mail.setdefault(call.name, _Mailbox())
                yield from (wait_name(call.name, n + 1) for n in range(mail.wait))
                yield from (look_name(call.name, n + 1) for n in range(mail.wait))

    def look(self, run: DrivenRun, hashed: str) -> LookStep | None:
        """Return the look that was asked for by its hash, if it is one, whoever waits now."""
        names = {call.name for call in run.asked if call.kind == "signal"}
        steps = [LookStep(name, self._mail.setdefault(name, _Mailbox()).wait) for name in names]
        return next((step for step in steps if hash_of(step.name) == hashed), None)

    def _attempts(self, call: Call) -> Iterable[str]:
        """Yield the names of a call's attempts and pauses, up to the first without an answer."""
        for number in count(1):
            yield (name := attempt_name(call.seq, call.name, number))
            if hash_of(name) not in self._answers:
                return
            yield pause_name(call.seq, call.name, number)

    def version_of(self, name: str) -> int | None:
        """Return the version of a piece of code that the run keeps, if it has one."""
        hashed = hash_of(marker_name(name))
        if hashed not in self._answers:
            return None
        self._left.pop(hashed, None)
        return int(self._answers[hashed])
