"""The steps that a workflow's calls are: their names, and what an answer tells the code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from inngest_nb.engine.driven import Activity, Child, Shown, Timer
from inngest_nb.errors import ChildWorkflowError
from inngest_nb.state import EventType
from inngest_nb.worker.steps import _sdk
from inngest_nb.worker.steps._exact import sealed, time_of, unsealed
from inngest_nb.worker.steps._sdk import Failure, Report

_FACTS = "inngest_nb: "
_DROPPED = "dropped"
_CANCELED = "function cancelled"  # what Inngest says of a canceled run to who waits for it
_LONGEST_WAIT = timedelta(days=30)
DEADLINE = "deadline"


def facts_line(**facts: Any) -> str:
    """Return what we keep of a failure, as the last line of its stack."""
    return _FACTS + json.dumps(facts)


def facts_of(failure: Failure) -> dict[str, Any]:
    """Return what `facts_line` kept of a failure; nothing if somebody else reported it."""
    _, found, line = failure.stack.rstrip().rpartition(_FACTS)
    try:
        facts = json.loads(line) if found else {}
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


class Step:
    """A step that the code waits for.

    `due` is before when its answer may not be shown. Steps that are `made` here are planned first
    when several wait; Inngest sees to the others by itself.
    """

    made = False
    due: datetime | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def shown(self, answer: Any, now: datetime) -> list[Shown]:
        """Return the events that an answer stands for; `now` is the time of the run so far."""
        raise NotImplementedError

    def report(self) -> Report:
        """Return the step as it is reported while it waits."""
        return _sdk.planned(self.name)


class AttemptStep(Step):
    """An attempt of an activity."""

    made = True

    def __init__(self, call: Activity) -> None:
        self.call = call
        self.number = call.next_attempt
        super().__init__(attempt_name(call.seq, call.name, self.number))

    def shown(self, answer: Any, now: datetime) -> list[Shown]:
        facts = facts_of(answer) if isinstance(answer, Failure) else _dict(answer)
        if _DROPPED in facts:
            return []
        ended = time_of(facts.get("at"), now)
        began = min(time_of(facts.get("began"), ended), ended)
        # A call that is too late has no number of its own.
        number = int(facts.get("attempt", self.number))
        about: dict[str, Any] = {"activity_name": self.call.name, "seq": self.call.seq}
        about["attempt"] = number
        start: list[Shown] = []
        if number == self.number:
            start.append((EventType.ACTIVITY_STARTED, began, about | {"input": self.call.given}))
        about["duration"] = ended - began
        if isinstance(answer, Failure):
            return [*start, (EventType.ACTIVITY_FAILED, ended, about | _failure(answer, facts))]
        result = unsealed("result", facts)
        return [*start, (EventType.ACTIVITY_COMPLETED, ended, about | {"result": result})]


def dropped(name: str) -> Report:
    """Report a step that was not made, because the code does not wait for it any more."""
    return _sdk.done(name, {_DROPPED: True})


def attempt_name(seq: int, name: str, number: int) -> str:
    """Return the name of an attempt's step."""
    return f"{seq}:{name}" if number == 1 else f"{seq}:{name} #{number}"


class PauseStep(Step):
    """The pause before the next attempt of an activity."""

    def __init__(self, call: Activity) -> None:
        self.call = call
        self.due = call.again_at
        super().__init__(pause_name(call.seq, call.name, call.next_attempt - 1))

    def shown(self, answer: Any, now: datetime) -> list[Shown]:
        return []

    def report(self) -> Report:
        return _sdk.sleep(self.name, self.due or datetime.now(UTC))


def pause_name(seq: int, name: str, number: int) -> str:
    """Return the name of the pause after an attempt."""
    return f"{seq}:{name} pause {number}"


class TimerStep(Step):
    """A timer of the code."""

    def __init__(self, seq: int, timer: Timer) -> None:
        self.seq = seq
        self.due: datetime = timer.due
        self._duration = timedelta(seconds=timer.seconds)
        super().__init__(timer_name(seq))

    def shown(self, answer: Any, now: datetime) -> list[Shown]:
        return [(EventType.TIMER_FIRED, self.due, {"seq": self.seq, "duration": self._duration})]

    def report(self) -> Report:
        return _sdk.sleep(self.name, self.due)


def timer_name(seq: int) -> str:
    """Return the name of a timer's step."""
    return f"{seq}:sleep"


class DeadlineStep(Step):
    """The end of the time that the whole run has."""

    def __init__(self, due: datetime) -> None:
        self.due: datetime = due
        super().__init__(DEADLINE)

    def shown(self, answer: Any, now: datetime) -> list[Shown]:
        return []

    def report(self) -> Report:
        return _sdk.sleep(self.name, self.due)


class MarkerStep(Step):
    """The version of a piece of code, which the run keeps from now on."""

    made = True

    def __init__(self, name: str, version: int) -> None:
        self.version = version
        super().__init__(marker_name(name))


def marker_name(name: str) -> str:
    """Return the name of a version's step."""
    return f"version:{name}"


class WaitStep(Step):
    """A wait for a signal that comes from now on."""

    def __init__(self, signal: str, number: int, workflow_id: str) -> None:
        self.signal = signal
        self._condition = f"async.data.workflow_id == {json.dumps(workflow_id)}"
        super().__init__(wait_name(signal, number))

    def shown(self, answer: Any, now: datetime) -> list[Shown]:
        if not isinstance(answer, dict):  # nothing came for a long time
            return []
        sent = answer.get("ts")
        when = now if sent is None else datetime.fromtimestamp(sent / 1000, UTC)
        data = {"signal_id": answer.get("id")} | _dict(answer.get("data"))
        return [signal_event(self.signal, data, when)]

    def report(self) -> Report:
        return _sdk.wait(self.name, f"nb/signal.{self.signal}", self._condition, _LONGEST_WAIT)


def wait_name(signal: str, number: int) -> str:
    """Return the name of a wait's step."""
    return f"signal {signal} {number}"


class LookStep(Step):
    """A look for the signals that came before the wait."""

    made = True

    def __init__(self, signal: str, number: int) -> None:
        self.signal = signal
        super().__init__(look_name(signal, number))

    def shown(self, answer: Any, now: datetime) -> list[Shown]:
        found = _dict(answer).get("signals")
        return [
            signal_event(self.signal, data, time_of(data.get("at"), now))
            for data in map(_dict, found if isinstance(found, list) else [])
        ]


def look_name(signal: str, number: int) -> str:
    """Return the name of a look's step."""
    return f"signal {signal} {number} look"


def signal_event(signal: str, data: dict[str, Any], when: datetime) -> Shown:
    """Return the event of a signal, from the data of the one that brought it."""
    fields = {
        "signal_name": signal,
        "signal_payload": unsealed("payload", data),
        "message": str(data.get("signal_id") or ""),
    }
    return EventType.SIGNAL_RECEIVED, when, fields


class ChildStep(Step):
    """A run of a child workflow."""

    def __init__(self, child: Child, function_id: str, parent: str) -> None:
        self.child = child
        self._function_id = function_id
        self._parent = parent
        super().__init__(attempt_name(child.seq, child.name, 1))

    def shown(self, answer: Any, now: datetime) -> list[Shown]:
        facts = facts_of(answer) if isinstance(answer, Failure) else _dict(answer)
        ended = time_of(facts.get("at"), now)
        began = min(time_of(facts.get("began"), ended), ended)
        about: dict[str, Any] = {
            "activity_name": self.child.name,
            "seq": self.child.seq,
            "attempt": 1,
            "child": self.child.child_id(),
        }
        start = about | {"input": self.child.given}
        if self.child.order.detached:
            start["detached"] = True
        about["duration"] = ended - began
        if isinstance(answer, Failure):
            why = _failure(answer, facts) | {"error_type": ChildWorkflowError.__name__}
            if not facts and answer.message == _CANCELED:
                why["error"] = "it was canceled"
            end = EventType.ACTIVITY_FAILED, ended, about | why
        else:
            result = unsealed("result", facts)
            end = EventType.ACTIVITY_COMPLETED, ended, about | {"result": result}
        return [(EventType.ACTIVITY_STARTED, began, start), end]

    def report(self) -> Report:
        order = self.child.order
        data: dict[str, Any] = {"workflow_id": self.child.child_id(), "parent": self._parent}
        data |= sealed("input", self.child.given)
        if order.timeout is not None:
            data["timeout"] = order.timeout.total_seconds()
        return _sdk.invoke(self.name, self._function_id, data)


class CancelStep(Step):
    """The cancellation of a child that the code has dropped."""

    made = True

    def __init__(self, child: Child) -> None:
        self.child = child
        super().__init__(cancel_name(child.seq, child.name))

    def shown(self, answer: Any, now: datetime) -> list[Shown]:
        return []


def cancel_name(seq: int, name: str) -> str:
    """Return the name of a cancellation's step."""
    return f"{seq}:{name} cancel"


def _failure(failure: Failure, facts: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"error": failure.message, "error_type": failure.kind}
    if "retry_at" in facts:
        fields["retry_at"] = datetime.fromisoformat(facts["retry_at"])
    if "details" in facts:
        fields["details"] = unsealed("details", dict(facts))
    trace = failure.stack.rpartition(_FACTS)[0].partition("\n")[2].rstrip("\n")
    if trace:
        fields["trace"] = trace
    return fields


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
