"""What REST lacks: all events of a batch, skipped runs, awaited events, connected workers.

GraphQL is the private interface of the server's web UI, so it is used for these four and the two of
`_at_once` only, and each of them does without it as well as it can. It is off with `--no-ui`, and a
later server may know other fields. It asks for no key, also where REST does; so none is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from inngest_nb import wire, words
from inngest_nb.api.basics import _quirks
from inngest_nb.api.basics._checks import check_ulid, is_ulid
from inngest_nb.api.basics._exchange import Operation, Server
from inngest_nb.api.basics._failures import GRAPHQL, Request, refused
from inngest_nb.api.basics._values import Found, Run, Trace, Wait, Worker
from inngest_nb.api.calls import _catalog, _events, _runs
from inngest_nb.errors import InngestStatusError
from inngest_nb.store.http import Response

APPS = "query{apps{externalID method}}"  # the smallest question that tells whether it answers
OFF = "GraphQL is off on this server, as with --no-ui"
_MOST_WORKERS = 40  # more than 40 or 51 of other things silently become 40

_BATCH = "query($run:String!){run(runID:$run){triggerIDs}}"
_SKIPPED = "query($event:ULID!){eventV2(id:$event){runs{id status function{slug}}}}"
_WAIT = "... on WaitForEventStepInfo{eventName expression timeout foundEventID timedOut}"
_WAITS = (
    f"query($run:String!){{runTrace(runID:$run){{childrenSpans{{stepID stepInfo{{{_WAIT}}}}}}}}}"
)
# Without an order the server answers nothing.
_WORKERS = (
    f"query{{workerConnections(first:{_MOST_WORKERS},"
    "orderBy:[{field:CONNECTED_AT,direction:DESC}],filter:{}){totalCount edges{node{"
    "id instanceId status appName connectedAt lastHeartbeatAt disconnectedAt disconnectReason "
    "maxWorkerConcurrency sdkLang sdkVersion functionCount}}}}"
)


class Told(NamedTuple):
    """What GraphQL answered, and why it did not answer, or not all."""

    data: Mapping[str, Any]
    because: str | None = None


def ask(server: Server, operation: str, query: str, **variables: str) -> Operation[Told]:
    """Ask a question. Where GraphQL is off, or does not understand it, nothing is told.

    Off is also what is no Inngest at all: whoever asks nothing else has to find that out.
    """
    body = wire.encode_json({"query": query, "variables": variables})
    request = Request(operation, "POST", GRAPHQL, body=body, again=True)
    response = yield from server.send(request)
    if _is_off(response):
        return Told({}, OFF)
    said = yield from server.read(request, response)
    trouble = _quirks.trouble(response.status, said)
    data = _quirks.part(said, "data") if isinstance(said, Mapping) else {}
    if trouble is None:
        return Told(data)
    if response.status >= 500:
        raise refused(server.settings, request, trouble)
    because = f"GraphQL said: {words.short(server.settings.hidden(trouble.reason), 200)}"
    return Told(data, because)


def _is_off(response: Response) -> bool:
    page = response.headers.get("content-type", "").startswith("text/html")
    return response.status in (401, 403, 404, 405) or (page and response.status == 200)


def batch_events(server: Server, run_id: str) -> Operation[Found[str]]:
    """Read the ids of all events of a run: REST names the first one of a batch only.

    Without GraphQL they are taken from the trace, which has an event that was sent with an id of
    its own under that id, by which it cannot be looked up.
    """
    run = yield from _runs.run(server, run_id, output=False)
    if not run.is_batch:
        return Found(run.event_ids)
    told = yield from ask(server, "batch_events", _BATCH, run=run_id)
    ids = _quirks.part(told.data, "run").get("triggerIDs")
    if isinstance(ids, list) and ids:
        return Found(map(_quirks.text, ids))
    trace = yield from _runs.trace(server, run_id, output=True)
    given = [_quirks.text(event.get("id")) for event in trace.events if isinstance(event, Mapping)]
    known = [*run.event_ids]  # the first, whatever the trace calls it
    for each in given[1:]:
        if (yield from _is_event(server, each)):
            known.append(each)
    if given and len(known) == len(given):
        return Found(known)
    return Found(known, truncated=True, because=told.because)


def _is_event(server: Server, key: str) -> Operation[bool]:
    """Tell whether an id is the server's: a sender's own may look the same."""
    if not is_ulid(key):
        return False
    try:
        yield from _events.event(server, key)
    except InngestStatusError:
        return False
    return True


def skipped_runs(server: Server, event_id: str) -> Operation[Found[Run]]:
    """Read the runs of an event that a singleton function skipped: no list of REST has them."""
    check_ulid(event_id, "event_id")
    told = yield from ask(server, "skipped_runs", _SKIPPED, event=event_id)
    entry = _quirks.part(told.data, "eventV2")
    skipped = [each for each in _quirks.items(entry, "runs") if each.get("status") == "SKIPPED"]
    names = [each.app_id for each in (yield from _catalog.apps(server))] if skipped else []
    return Found(
        (_skipped(each, event_id, names) for each in skipped),
        truncated=told.because is not None,
        because=told.because,
    )


def _skipped(item: Mapping[str, Any], event_id: str, apps: list[str]) -> Run:
    """Make a run of what GraphQL tells. A function's long id begins with that of its app."""
    slug = _quirks.text(_quirks.part(item, "function").get("slug"))
    app = max((name for name in apps if slug.startswith(f"{name}-")), key=len, default="")
    return Run(
        run_id=_quirks.text(item.get("id")),
        app=app,
        function=slug.removeprefix(f"{app}-") if app else slug,
        status="skipped",
        inngest_status="SKIPPED",
        event_ids=(event_id,),
    )


def waits(server: Server, run_id: str) -> Operation[Found[Wait]]:
    """Read for which events a run waits or has waited; only GraphQL knows an event's name."""
    trace = yield from _runs.trace(server, run_id, output=True)
    if not any(step.kind == "wait" for step in trace.steps):
        return Found()
    told = yield from ask(server, "waits", _WAITS, run=run_id)
    return Found(
        waits_of(trace, told.data), truncated=told.because is not None, because=told.because
    )


def waits_of(trace: Trace, data: Mapping[str, Any]) -> list[Wait]:
    """Put together what both interfaces tell of each wait."""
    spans = _quirks.items(_quirks.part(data, "runTrace"), "childrenSpans")
    infos = {_quirks.text(each.get("stepID")): _quirks.part(each, "stepInfo") for each in spans}
    found = []
    for step in trace.steps:
        if step.kind != "wait":
            continue
        info = infos.get(step.step_id or "", {})
        # What it met is the step's output, with the sender's id.
        met = step.output if isinstance(step.output, Mapping) else {}
        timed_out = info.get("timedOut")
        if timed_out is None and step.status == "completed":
            timed_out = not met
        found.append(
            Wait(
                step_id=step.step_id or "",
                step=step.name,
                status=step.status,
                event=_quirks.text(info.get("eventName") or met.get("name")) or None,
                condition=_quirks.text(info.get("expression")) or None,
                until=_quirks.time(info.get("timeout")),
                event_id=_quirks.text(info.get("foundEventID")) or None,
                timed_out=timed_out if isinstance(timed_out, bool) else None,
            )
        )
    return found


def workers(server: Server) -> Operation[Found[Worker]]:
    """Read the connections of workers, the last one first, at most 40."""
    told = yield from ask(server, "workers", _WORKERS)
    if told.because == OFF:
        yield from server.check_address("workers")
        return Found(truncated=True, because=OFF)
    return workers_of(told)


def workers_of(told: Told) -> Found[Worker]:
    """Make workers of GraphQL's list."""
    entry = _quirks.part(told.data, "workerConnections")
    found = [_worker(_quirks.part(each, "node")) for each in _quirks.items(entry, "edges")]
    more = (_quirks.whole_number(entry.get("totalCount")) or 0) > len(found)
    because = f"only the latest {_MOST_WORKERS} connections were read" if more else told.because
    return Found(found, truncated=because is not None, because=because)


def _worker(node: Mapping[str, Any]) -> Worker:
    sdk = " ".join(_quirks.text(node[name]) for name in ("sdkLang", "sdkVersion") if node.get(name))
    return Worker(
        worker_id=_quirks.text(node.get("id")),
        instance_id=_quirks.text(node.get("instanceId")),
        app=_quirks.text(node.get("appName")),
        status=_quirks.text(node.get("status")).lower(),
        connected_at=_quirks.time(node.get("connectedAt")),
        last_heartbeat_at=_quirks.time(node.get("lastHeartbeatAt")),
        disconnected_at=_quirks.time(node.get("disconnectedAt")),
        disconnect_reason=_quirks.text(node.get("disconnectReason")) or None,
        function_count=_quirks.whole_number(node.get("functionCount")) or 0,
        max_concurrency=_quirks.whole_number(node.get("maxWorkerConcurrency")) or None,
        sdk=sdk or None,
    )
