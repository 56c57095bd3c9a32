"""What changes something about runs: invoke, cancel, rerun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inngest_nb import wire
from inngest_nb.api.basics import _failures, _quirks
from inngest_nb.api.basics._checks import check_rerun, check_ulid
from inngest_nb.api.basics._exchange import Operation, Server
from inngest_nb.api.basics._failures import Request
from inngest_nb.api.calls import _catalog, _runs
from inngest_nb.api.calls._catalog import V2
from inngest_nb.errors import InngestDecodeError, InngestError, InngestStatusError


def invoke(
    server: Server, app: str, function: str, data: Mapping[str, Any] | None, key: str | None
) -> Operation[str]:
    """Start a run of a function. The same key again finds the first run, under status 409."""
    if not isinstance(data, Mapping | None):
        raise ValueError(
            f"data must be an object such as {{'order_id': 'A1'}}, got {type(data).__name__}"
        )
    given: dict[str, Any] = {"data": data or {}}
    if key is not None:
        given["idempotencyKey"] = key
    path = f"{_catalog.function_path(app, function)}/invoke"
    request = Request("invoke", "POST", path, body=_body(given, "data"), again=bool(key))
    response = yield from server.signed(request)
    said = yield from server.read(request, response)
    if run_id := _run_id(said):
        return run_id
    trouble = _quirks.trouble(response.status, said)
    if trouble is None:
        raise _nameless(server, "invoke")
    error = _failures.refused(server.settings, request, trouble)
    raise (yield from _catalog.unknown_function(server, error, app, function)) from error


def cancel(server: Server, run_id: str) -> Operation[None]:
    """Cancel a run that has not ended."""
    path = f"{V2}/runs/{check_ulid(run_id, 'run_id')}/cancel"
    try:
        yield from server.ask(Request("cancel", "POST", path, body=b"{}"))
    except InngestStatusError as error:
        raise _runs.unknown_run(server, error, run_id) from error


def rerun(server: Server, run_id: str, from_step: str | None, given: Any) -> Operation[str]:
    """Start a run again, from its beginning or from a step; return the new run's id."""
    body = check_rerun(from_step, given)
    path = f"{V2}/runs/{check_ulid(run_id, 'run_id')}/rerun"
    request = Request("rerun", "POST", path, body=_body(body, "input"))
    try:
        said = yield from server.ask(request)
    except InngestStatusError as error:
        if from_step is not None and error.code == "invalid_request" and "Step" in error.reason:
            trace = yield from _runs.trace(server, run_id, output=False)
            names = [step.name for step in trace.steps if step.step_id]
            where = f" in run {run_id}"
            raise _catalog.unknown(server, "rerun", "step", from_step, names, where) from error
        raise _runs.unknown_run(server, error, run_id) from error
    if not (run_id := _run_id(said)):
        raise _nameless(server, "rerun")
    return run_id


def _run_id(said: object) -> str:
    data = _quirks.part(said, "data") if isinstance(said, Mapping) else {}
    return _quirks.text(data.get("runId"))


def _nameless(server: Server, operation: str) -> InngestError:
    error = InngestDecodeError(
        f"inngest {operation}: the response names no run",
        operation=operation,
        target=server.settings.url,
    )
    return _failures.in_doubt(error)


def _body(given: Mapping[str, Any], name: str) -> bytes:
    try:
        return wire.encode_json(given)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} cannot be sent: {error}") from error
