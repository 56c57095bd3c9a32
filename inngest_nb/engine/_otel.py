"""OpenTelemetry spans for runs, activities and attempts."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inngest_nb.engine.threads._hooks import Hooks, Tracing

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider


def otel_hooks(tracer_provider: TracerProvider | None = None) -> Hooks:
    """Return hooks that record OpenTelemetry spans: `Executor(store, inb.otel_hooks())`.

    Starting or resuming a run opens a span within the current one. It contains a span for each
    activity and child workflow, and those a span for each attempt, which is current while the
    function runs. A child's run lies within the call that started it. `tracer_provider` defaults to
    the global one. Needs the extra `otel`; without it, raises `ModuleNotFoundError`.
    """
    try:
        from opentelemetry import trace
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "otel_hooks needs OpenTelemetry: pip install 'inngest-nb[otel]'"
        ) from error
    return _OtelHooks(spans=_Spans(trace.get_tracer("inngest_nb", tracer_provider=tracer_provider)))


@dataclass(frozen=True, kw_only=True)
class _OtelHooks(Hooks):
    spans: _Spans

    @property
    def tracing(self) -> Tracing:
        return self.spans


class _Spans:
    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    def open(self, name: str, within: Span | None, **about: str | int) -> Span:
        """Open a span within another one; None means within the current one."""
        from opentelemetry import trace

        context = None if within is None else trace.set_span_in_context(within)
        attributes = {f"inngest_nb.{key}": value for key, value in about.items()}
        span: Span = self._tracer.start_span(name, context=context, attributes=attributes)
        return span

    def close(self, span: Span, error: BaseException | None) -> None:
        """Close a span, with the error that ended it, if any."""
        from opentelemetry.trace import StatusCode

        if error is not None:
            span.record_exception(error)
            span.set_status(StatusCode.ERROR, type(error).__name__)
        span.end()

    def inside(self, span: Span) -> AbstractContextManager[object]:
        """Make a span the current one inside a `with` block."""
        from opentelemetry import trace

        return trace.use_span(span, record_exception=False, set_status_on_exception=False)
