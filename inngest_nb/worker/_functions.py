"""The Inngest functions that run workflow functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import inngest

from inngest_nb.engine.basics import name_of
from inngest_nb.worker.steps import CANCELED, Served, drive

_CANCELED = inngest.Cancel(
    event=CANCELED, if_exp="async.data.workflow_id == event.data.workflow_id"
)


def functions_of(
    client: inngest.Inngest,
    functions: Sequence[Callable[..., Any]],
    served: Served,
    *,
    retries: int,
) -> list[inngest.Function[Any]]:
    """Return one Inngest function for each workflow function, by its name.

    `retries` are for requests whose worker was lost: a failed attempt of an activity is not tried
    again by Inngest, but as its own retry policy says.
    """
    return [_function(client, fn, served, retries) for fn in functions]


def _function(
    client: inngest.Inngest, fn: Callable[..., Any], served: Served, retries: int
) -> inngest.Function[Any]:
    name = name_of(fn)

    @client.create_function(
        fn_id=name,
        trigger=inngest.TriggerEvent(event=f"nb/{name}.requested"),
        cancel=[_CANCELED],
        retries=retries,
    )
    async def handler(ctx: inngest.Context) -> Any:
        return await drive(served, fn, ctx)

    return handler
