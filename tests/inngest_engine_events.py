"""Events in the executor stand-in: which runs they start, resume and cancel."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from inngest_engine_conditions import holds
from inngest_engine_numbers import bent
from inngest_engine_runs import Function, Json, Run, Wait, uuid_of
from story_records import milliseconds_of, time_text

if TYPE_CHECKING:
    from inngest_engine_executor import Executor

_NOBODY = "00000000-0000-0000-0000-000000000000"
_TIMED_OUT = {
    "error": "InngestInvokeTimeout",
    "name": "InngestInvokeTimeout",
    "message": "Timed out waiting for invoked function to complete",
}


class Events:
    """The events that were sent, and the steps that wait for one."""

    def __init__(self, executor: Executor, lag: timedelta) -> None:
        self._executor, self._lag = executor, lag
        self.kept: list[Json] = []  # as v1 shows them, oldest first
        self.by_id: dict[str, Json] = {}
        self.runs_of: dict[str, list[Run]] = defaultdict(list)
        self.waits: dict[str, list[Wait]] = defaultdict(list)  # by the name of the event
        self._sent: set[tuple[str, str]] = set()
        self._keys: dict[tuple[str, str], str] = {}  # run ids by function and idempotency key

    def send(self, event: Json) -> str:
        """Take an event; one that was sent before, by its own id, does not run functions again."""
        key = self._keep(event)
        own = (event["name"], event.get("id") or key)
        is_new = own not in self._sent
        self._sent.add(own)
        self._handle(key, starts=is_new)
        return key

    def _keep(self, event: Json) -> str:
        key, now = self._executor.ids.new(), self._executor.time.now()
        kept = {
            "internal_id": key,
            "account_id": _NOBODY,
            "environment_id": _NOBODY,
            "source": "",
            "source_id": None,
            "received_at": time_text(now),
            "id": event.get("id") or key,
            "name": event["name"],
            "data": bent(event.get("data") or {}),
            "ts": event.get("ts") or milliseconds_of(key),
            **{name: event[name] for name in ("user", "v") if event.get(name)},
        }
        self.kept.append(kept)
        self.by_id[key] = kept
        return key

    def visible(self) -> list[Json]:
        """Return the events that v1 lists, oldest first: not yet those that have just come."""
        if not self._lag:
            return self.kept
        latest = int((self._executor.time.now() - self._lag).timestamp() * 1000)
        return [event for event in self.kept if milliseconds_of(event["internal_id"]) <= latest]

    def _handle(self, key: str, *, starts: bool) -> None:
        event = carried(self.by_id[key])
        canceled = [run for run in self._executor.runs.values() if _cancels(event, run)]
        waiting = [wait for wait in self.waits.pop(event["name"], []) if not wait.run.is_over]
        if starts:
            for function in [*self._executor.functions.values()]:
                if any(_triggers(event, each) for each in function.config["triggers"]):
                    self._start(function, key)
        for wait in waiting:
            if wait.step not in wait.run.waits:
                continue  # it is over
            if holds(wait.condition, event=wait.run.events[0], **{"async": event}):
                self._resume(wait, event)
            else:
                self.waits[event["name"]].append(wait)
        for run in canceled:
            if not run.is_over:
                self._executor.cancel(run)

    def _start(self, function: Function, key: str, **more: Any) -> Run:
        run = self._executor.start(function, [carried(self.by_id[key])], [key], **more)
        self.runs_of[key].append(run)
        return run

    def _resume(self, wait: Wait, value: Any) -> None:
        run = wait.run
        run.save(wait.step, value, self._executor.time.now())
        self._executor.drop(run.planned[wait.step])  # its end by time
        self._executor.discover(run, wait.step, is_race=wait.is_race, suffix="-event")

    def time_out(self, run: Run, step: str) -> None:
        """End a wait for which nothing came."""
        wait = run.waits.get(step)
        if wait is not None:
            value = None if wait.event else {"error": _TIMED_OUT}
            run.save(step, value, self._executor.time.now())
            self._executor.discover(run, step, is_race=wait.is_race, suffix="-timeout")

    # Runs of functions by their names

    def invoke_by_name(self, function: Function, data: Json, key: str) -> tuple[Run, bool]:
        """Start a run, or find the one that was started with this key; tell whether it was."""
        known = self._keys.get((function.slug, key)) if key else None
        if known is not None:
            return self._executor.runs[known], True
        event = self._keep({"name": "inngest/function.invoked", "data": data})
        run = self._start(function, event)
        if key:
            self._keys[function.slug, key] = run.id
        return run, False

    def rerun(self, run: Run) -> Run:
        """Start a run again, with the event that it had."""
        return self._start(run.function, run.event_ids[0], original=run.original or run.id)

    def invoke(self, wait: Wait, op: Json) -> None:
        """Start the run for which a step waits."""
        run, slug = wait.run, op["opts"]["function_id"]
        function = self._executor.functions.get(slug)
        if function is None:
            said = f"could not find function with ID: {slug}"
            self._resume(wait, {"error": {"error": said, "name": "Error", "message": said}})
            return
        payload = op["opts"].get("payload") or {}
        about = {
            "correlation_id": f"{run.id}.{wait.step}",
            "expire": int(wait.until.timestamp() * 1000),
            "fn_id": slug,
            "name": op.get("displayName") or op["name"],
            "source_app_id": uuid_of(run.function.app),
            "source_fn_id": uuid_of(run.function.slug),
            "source_fn_v": 1,
        }
        data = {**(payload.get("data") or {}), "_inngest": about}
        event = self._keep({"name": "inngest/function.invoked", "data": data})
        self._start(function, event, parent=(run, wait.step))

    def tell_end(self, run: Run) -> None:
        """Tell the step that waits for this run, and the functions that start when one fails."""
        if run.parent is not None:
            other, step = run.parent
            wait = other.waits.get(step)
            if wait is not None:
                self._resume(wait, _as_step(run))
        if run.status != "COMPLETED":
            self._tell_failure(run)

    def _tell_failure(self, run: Run) -> None:
        word = "cancelled" if run.status == "CANCELLED" else "failed"
        data = {
            "_inngest": {"status": run.status.capitalize()},
            "error": error_of(run),
            "event": run.events[0],
            "events": [{k: v for k, v in each.items() if k != "user"} for each in run.events],
            "function_id": run.function.slug,
            "result": run.output,
            "run_id": run.id,
        }
        key = self._keep({"name": f"inngest/function.{word}", "data": data, "id": run.id})
        self._handle(key, starts=True)


def carried(kept: Json) -> Json:
    """Return an event as requests and steps carry it."""
    names = ("data", "id", "name", "ts", "v")
    return {"user": kept.get("user") or {}} | {key: kept[key] for key in names if key in kept}


def error_of(run: Run) -> Json:
    """Return the error of a run as events and steps have it."""
    if run.status == "CANCELLED":
        text = "function cancelled"
        return {"error": text, "name": "Error", "message": text}
    said = run.output
    while isinstance(said, dict) and isinstance(said.get("error"), dict):
        said = said["error"]
    said = said if isinstance(said, dict) else {"message": str(said)}
    name = said.get("name") or "Error"
    error = {"error": said.get("error") or name, "name": name, "message": said.get("message") or ""}
    return error | ({"stack": said["stack"]} if said.get("stack") else {})


def _as_step(run: Run) -> Json:
    if run.status == "COMPLETED":
        return {"data": run.output}
    return {"error": error_of(run)}


def _triggers(event: Json, trigger: Json) -> bool:
    wanted = trigger.get("event")
    return wanted == event["name"] and holds(trigger.get("expression"), event=event)


def _cancels(event: Json, run: Run) -> bool:
    return not run.is_over and any(
        each["event"] == event["name"]
        and holds(each.get("if"), event=run.events[0], **{"async": event})
        for each in run.function.config.get("cancel") or ()
    )
