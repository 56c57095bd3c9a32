"""A worker in this process that answers executor requests as a test's functions say."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from inngest_engine import Answer, InngestEngine

# Given the step that is to run ("step" for none) and the request, it returns the answer.
Script = Callable[[str, dict[str, Any]], Awaitable[Answer]]


class ScriptedWorker:
    """Serves functions of the app `lab`; each is started by the event `lab/<name>`."""

    def __init__(self, retries: int = 0, **scripts: Script) -> None:
        self._scripts = scripts
        self.configs = [config_of(name, retries) for name in scripts]

    def register(self, inngest: InngestEngine) -> None:
        inngest.register("lab", self.configs, self)

    async def call(self, function: str, step: str, body: dict[str, Any]) -> Answer:
        return await self._scripts[function.removeprefix("lab-")](step, body)


def config_of(name: str, retries: int, **more: Any) -> dict[str, Any]:
    """Return a function as workers register it."""
    return {
        "id": f"lab-{name}",
        "name": name,
        "steps": {"step": {"retries": {"attempts": retries}}},
        "triggers": [{"event": f"lab/{name}"}],
        **more,
    }


def hashed(name: str) -> str:
    """Return a step's id."""
    return hashlib.sha1(name.encode()).hexdigest()  # noqa: S324


# Answers


def returned(value: Any) -> Answer:
    return Answer(200, {}, value)


def raised(message: str, *, retry: bool = True) -> Answer:
    headers = {} if retry else {"x-inngest-no-retry": "true"}
    return Answer(500, headers, {"name": "Error", "message": message, "stack": ""})


def opcodes(*ops: dict[str, Any]) -> Answer:
    return Answer(206, {"x-inngest-req-version": "2"}, [*ops])


def op(kind: str, step: str, **more: Any) -> dict[str, Any]:
    return {"op": kind, "id": hashed(step), "displayName": step, "name": step, "data": None} | more


def ran(name: str, value: Any = None, *, race: bool = False) -> dict[str, Any]:
    return op("StepRun", name, data=value, opts=_mode(race))


def planned(name: str, *, race: bool = False) -> dict[str, Any]:
    return op("StepPlanned", name, opts=_mode(race))


def failed(name: str, message: str, kind: str = "StepFailed") -> dict[str, Any]:
    return op(kind, name, error={"name": "Error", "message": message, "stack": "", "code": "x"})


def slept(name: str, until: datetime) -> dict[str, Any]:
    return op("Sleep", name, name=until.isoformat())


def waited(name: str, event: str, timeout: str, condition: str | None = None) -> dict[str, Any]:
    return op("WaitForEvent", name, name=event, opts={"if": condition, "timeout": timeout})


def invoked(name: str, function: str, timeout: str | None = None) -> dict[str, Any]:
    opts = {"function_id": f"lab-{function}", "payload": {"data": {}}, "timeout": timeout}
    return op("InvokeFunction", name, opts=opts)


def _mode(race: bool) -> dict[str, str] | None:
    return {"parallelMode": "race"} if race else None
