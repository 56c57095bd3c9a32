"""A stand-in for `worker/_functions.py`: each workflow as a plain function of the SDK's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import inngest


def functions_of(
    client: inngest.Inngest, functions: Sequence[Callable[..., Any]], settings: Any
) -> list[inngest.Function[Any]]:
    return [_function_of(client, fn, settings) for fn in functions]


def _function_of(
    client: inngest.Inngest, fn: Callable[..., Any], settings: Any
) -> inngest.Function[Any]:
    async def handler(ctx: inngest.Context) -> Any:
        return await fn(None, ctx.event.data.get("input"))

    trigger = inngest.TriggerEvent(event=f"nb/{fn.__name__}.requested")
    make = client.create_function(fn_id=fn.__name__, trigger=trigger, retries=settings.retries)
    return make(handler)


def put_in_place() -> ModuleType:
    module = ModuleType("inngest_nb.worker._functions")
    module.functions_of = functions_of  # type: ignore[attr-defined]
    return sys.modules.setdefault(module.__name__, module)
