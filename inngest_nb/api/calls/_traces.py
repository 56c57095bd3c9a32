"""A trace of the server as one row per step.

The server shows each step twice or three times: an execution view and a step view with slightly
different times, and after retries one loose span an attempt. What the function itself did is
`Finalization` or, while it runs, `Execution`; the same comes as `executor.nonstep`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from inngest_nb.api.basics import _quirks
from inngest_nb.api.basics._values import Step, StepAttempt, Trace

_KINDS = {"RUN": "step", "SLEEP": "sleep", "WAIT_FOR_EVENT": "wait", "INVOKE": "invoke"}
_FUNCTION = ("Finalization", "Execution")
_LOOSE = "executor.nonstep"
_LAST = datetime.max.replace(tzinfo=UTC)

Span = Mapping[str, Any]


def trace_of(said: Mapping[str, Any], run_id: str) -> Trace:
    """Make a trace of v2's answer."""
    root = _quirks.part(_quirks.part(said, "data"), "rootSpan")
    steps = [_step(span, extra) for span, extra in _reduced(_quirks.items(root, "children"))]
    steps.sort(key=lambda step: step.queued_at or step.started_at or _LAST)
    status, ended = _quirks.text(root.get("status")), _quirks.time(root.get("endedAt"))
    events = _quirks.unwrapped(root.get("input"))
    return Trace(
        run_id=run_id,
        # The run as a whole waits for nothing but its turn.
        status="queued"
        if status == "WAITING"
        else _quirks.true_status(status, is_over=ended is not None),
        inngest_status=status,
        queued_at=_quirks.time(root.get("queuedAt")),
        started_at=_quirks.time(root.get("startedAt")),
        ended_at=ended,
        duration=_quirks.duration(root.get("durationMs")),
        steps=tuple(steps),
        events=tuple(events) if isinstance(events, list) else (),
    )


def _reduced(spans: Sequence[Span]) -> list[tuple[Span, Sequence[Span]]]:
    """Return one span a step, and with the function's the loose ones that have its outputs."""
    loose = [span for span in spans if span.get("name") == _LOOSE]
    views: dict[str, list[Span]] = {}  # of each step
    kept: list[tuple[Span, Sequence[Span]]] = []
    for span in spans:
        if span.get("name") == _LOOSE:
            continue
        if step_id := _quirks.text(span.get("stepId")):
            views.setdefault(step_id, []).append(span)
        else:
            kept.append((span, loose if _is_function(span) else ()))
    kept += [(_best(shown), ()) for shown in views.values()]
    if loose and not any(_is_function(span) for span in spans):
        kept.append((loose[-1], loose))
    return kept


def _best(views: Sequence[Span]) -> Span:
    """Return the view of a step that says most: its attempts, else its timing."""
    for name in ("children", "metadata"):
        for view in views:
            if view.get(name):
                return view
    return views[0]


def _is_function(span: Span) -> bool:
    return span.get("name") in _FUNCTION and not span.get("stepId")


def _step(span: Span, loose: Sequence[Span]) -> Step:
    function = _is_function(span) or span.get("name") == _LOOSE
    operation = _quirks.text(span.get("stepOp"))
    output = span.get("output")
    if loose and output is None:
        output = max(loose, key=_end).get("output")
    attempts = tuple(
        _attempt(child, number) for number, child in enumerate(_quirks.items(span, "children"))
    )
    alone = StepAttempt(number=0, **_common(span, output))
    if not attempts and alone.started_at is not None and operation in ("", "RUN"):
        attempts = (alone,)  # one that passed at once is not told by itself
    return Step(
        step_id=_quirks.text(span.get("stepId")) or None,
        name=_quirks.text(span.get("name")),
        kind="function" if function else _KINDS.get(operation, operation.lower() or "unknown"),
        attempts=attempts,
        input=_quirks.unwrapped(span.get("input")),
        **_common(span, output),
    )


def _attempt(child: Span, place: int) -> StepAttempt:
    named = re.fullmatch(r"Attempt (\d{1,9})", _quirks.text(child.get("name")))
    number = int(named[1]) if named else place
    return StepAttempt(number=number, **_common(child, child.get("output")))


def _common(span: Span, output: Any) -> dict[str, Any]:
    status = _quirks.text(span.get("status"))
    failed = status == "FAILED"
    queued, started = _quirks.time(span.get("queuedAt")), _quirks.time(span.get("startedAt"))
    return {
        "status": _quirks.word(status),
        "inngest_status": status,
        "queued_at": queued,
        "started_at": started,
        "ended_at": _quirks.time(span.get("endedAt")),
        "duration": _quirks.duration(span.get("durationMs")),
        "queue_delay": _queue_delay(queued, started),
        "output": None if failed else _quirks.unwrapped(output),
        "error": _quirks.error_of(output) if failed else None,
    }


def _queue_delay(queued: datetime | None, started: datetime | None) -> timedelta | None:
    """Return how long a span was queued.

    Its metadata has a `queue_delay_ms`, too, which was 0 for all that had been queued for a second.
    """
    if queued is None or started is None or started < queued:
        return None
    return started - queued


def _end(span: Span) -> datetime:
    return _quirks.time(span.get("endedAt")) or _LAST
