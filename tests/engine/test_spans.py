"""OpenTelemetry: a span a run, an activity, an attempt, each within the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import inngest_nb as inb
from inngest_nb import AsyncWorkflowContext, Executor, RetryPolicy, Signal, WorkflowContext
from inngest_nb.errors import WorkflowFailedError

NOW = RetryPolicy(initial_interval=0)
KINDS = pytest.mark.parametrize("kind", ["async", "plain"])


class Kept:
    """A tracer provider, and the spans that ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def spans(self, count: int) -> dict[str, ReadableSpan]:
        deadline = time.monotonic() + 60
        while len(found := self.exporter.get_finished_spans()) < count:
            assert time.monotonic() < deadline, [span.name for span in found]
        return {span.name: span for span in found}


@pytest.fixture
def kept() -> Iterator[Kept]:
    made = Kept()
    yield made
    made.provider.shutdown()


def lineage(spans: dict[str, ReadableSpan], name: str) -> list[str]:
    """Name a span and those that it lies within."""
    names = {span.context.span_id: span.name for span in spans.values() if span.context}
    found = [name]
    while (parent := spans[found[-1]].parent) is not None:
        found.append(names[parent.span_id])
    return found


def current() -> str:
    span = trace.get_current_span()
    return span.name if isinstance(span, ReadableSpan) else ""


def works(given: Any) -> str:
    return current()


async def works_async(given: Any) -> str:
    return current()


class Fails:
    calls = 0

    def once(self, given: Any) -> None:
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError("down")


async def child(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.execute_activity(works)


@KINDS
def test_spans_lie_within_each_other_and_are_current_in_activities(kept: Kept, kind: str) -> None:
    fails = Fails()

    async def order(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(fails.once, retry=NOW)
        return [await ctx.execute_activity(works_async), await ctx.execute_workflow(child)]

    def plain(ctx: WorkflowContext) -> Any:
        ctx.execute_activity(fails.once, retry=NOW)
        return [ctx.execute_activity(works_async), ctx.execute_workflow(child)]

    plain.__name__ = plain.__qualname__ = order.__qualname__ = "order"
    with Executor(hooks=inb.otel_hooks(kept.provider)) as executor:
        with kept.tracer.start_as_current_span("request"):
            handle = executor.execute(order if kind == "async" else plain, id="w")
        assert handle.result(60) == ["attempt 1 of works_async", "attempt 1 of works"]
    found = kept.spans(12)
    spans = {name.rpartition(":")[2]: span for name, span in found.items()}
    assert [name.rpartition(":")[2] for name in lineage(found, "attempt 2 of once")][:2] == [
        *("attempt 2 of once", "activity once"),
    ]
    assert lineage(found, "attempt 2 of once")[-1] == "request"
    assert len(lineage(found, "attempt 2 of once")) == 4
    (call,) = (name for name in found if name.startswith("attempt") and name.endswith("child"))
    inner = lineage(found, "attempt 1 of works")
    assert inner[:2] == ["attempt 1 of works", "activity works"]
    assert inner[3:] == lineage(found, call)
    assert [event.name for event in spans["attempt 1 of once"].events] == ["exception"]
    assert spans["attempt 2 of once"].status.is_unset
    assert spans["activity once"].status.is_unset
    assert dict(spans["attempt 2 of once"].attributes or {}) == {
        "inngest_nb.workflow_id": "w",
        "inngest_nb.run_id": handle.run_id,
        "inngest_nb.seq": 1,
        "inngest_nb.attempt": 2,
    }


@KINDS
def test_what_fails_ends_its_spans_with_an_error(kept: Kept, kind: str) -> None:
    def fails(_: Any) -> None:
        raise ValueError("no")

    async def order(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(fails)

    def plain(ctx: WorkflowContext) -> None:
        ctx.execute_activity(fails)

    with Executor(hooks=inb.otel_hooks(kept.provider)) as executor:
        with pytest.raises(WorkflowFailedError):
            executor.execute(order if kind == "async" else plain).result(60)
    errors = [span.status.description for span in kept.spans(3).values()]
    assert errors == ["ValueError", "ValueError", "WorkflowFailedError"]


def test_what_is_canceled_leaves_no_span_open(kept: Kept) -> None:
    async def waits(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_workflow(for_ever)

    async def for_ever(ctx: AsyncWorkflowContext) -> None:
        await ctx.receive_signal("never")

    with Executor(hooks=inb.otel_hooks(kept.provider)) as executor:
        executor.execute(waits, id="w")
        deadline = time.monotonic() + 60
        while len(executor.store.list()) < 2:
            assert time.monotonic() < deadline
        assert executor.cancel("w")
        errors = {span.status.description for span in kept.spans(4).values()}
    assert errors == {"CancelledError", "WorkflowCanceledError"}


def test_other_hooks_are_called_beside_spans(kept: Kept) -> None:
    begun: list[str] = []
    hooks = inb.Hooks(on_workflow_start=lambda name, event: begun.append(name))
    with Executor(hooks=hooks + inb.otel_hooks(kept.provider)) as executor:
        executor.execute(child, id="w").result(60)
    assert begun == ["w"]
    assert len(kept.spans(3)) == 3


def test_a_run_that_is_resumed_has_a_span_in_each_life(kept: Kept, store: Any) -> None:
    async def waits(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(works)
        return await ctx.receive_signal("go")

    hooks = inb.otel_hooks(kept.provider)
    with Executor(store, hooks) as executor:
        handle = executor.execute(waits, id="w")
        deadline = time.monotonic() + 60
        while not handle.waiting_for:
            assert time.monotonic() < deadline
    with Executor(store, hooks) as executor:
        handle = executor.resume(waits, "w")
        executor.signal("w", Signal("go"))
        handle.result(60)
    kept.spans(2)
    names = [span.name for span in kept.exporter.get_finished_spans()]
    assert len([name for name in names if name.startswith("workflow ")]) == 2
    assert names.count("activity works") == 1
