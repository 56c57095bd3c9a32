"""Five workflows to watch: each takes a few seconds and has no side effects.

Every input accepts a `speed`: 1 is made for watching, 100 takes no noticeable time.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from inngest_nb.engine import ActivityContext, AsyncWorkflowContext, RetryPolicy, workflow

_Input = dict[str, Any]


def _with(given: _Input | None, **defaults: Any) -> _Input:
    return defaults | (given or {})


async def _work(given: _Input, seconds: float) -> None:
    await asyncio.sleep(seconds / given.get("speed", 1))


def _retry(given: _Input, attempts: int) -> RetryPolicy:
    return RetryPolicy(max_attempts=attempts, initial_interval=0.6 / given.get("speed", 1))


# An order whose payment fails twice


async def reserve_stock(given: _Input) -> _Input:
    """Reserve the goods."""
    await _work(given, 0.5)
    return {"order": given["order"], "shelf": "B-12"}


class PaymentDeclinedError(Exception):
    """The bank did not answer, or declined the payment."""


async def charge_card(ctx: ActivityContext, given: _Input) -> _Input:
    """Charge the card; the first `bank_failures` attempts fail."""
    await _work(given, 0.4)
    if ctx.attempt <= given["bank_failures"]:
        raise PaymentDeclinedError("the bank does not answer (503)")
    return {"order": given["order"], "charged": given["amount"], "currency": "EUR"}


async def send_parcel(given: _Input) -> _Input:
    """Send the parcel."""
    await _work(given, 0.6)
    return {"order": given["order"], "tracking": f"PX{given['order']:08}"}


@workflow(name="inngest_nb.samples:order")
async def order(ctx: AsyncWorkflowContext, given: _Input | None = None) -> _Input:
    """Reserve, charge and send; the payment is retried until the bank answers.

    Input: `order`, `amount`, and `bank_failures`, the number of attempts that fail (2).
    """
    given = _with(given, order=42, amount=99.5, bank_failures=2)
    stock = await ctx.execute_activity(reserve_stock, given)
    paid = await ctx.execute_activity(charge_card, given, retry=_retry(given, 5))
    parcel = await ctx.execute_activity(send_parcel, given)
    return {"order": given["order"], "charged": paid["charged"], **stock, **parcel}


# An approval that waits for a person


async def write_proposal(given: _Input) -> _Input:
    """Write the proposal."""
    await _work(given, 0.5)
    return {"title": given["title"], "pages": 3}


async def publish(given: _Input) -> str:
    """Publish an approved proposal."""
    await _work(given, 0.7)
    return f"published: {given['title']}"


@workflow(name="inngest_nb.samples:approval")
async def approval(ctx: AsyncWorkflowContext, given: _Input | None = None) -> _Input:
    """Wait for the signal `approve` with the payload `{"approved": true, "by": "…"}`.

    Input: `title`, and `patience`, the seconds to wait for an answer (600).
    """
    given = _with(given, title="Four-day week", patience=600)
    proposal = await ctx.execute_activity(write_proposal, given)
    try:
        answer = await ctx.receive_signal("approve", timeout=given["patience"])
    except TimeoutError:
        return {"outcome": "nobody answered", **proposal}
    answer = answer if isinstance(answer, dict) else {"approved": bool(answer)}
    if not answer.get("approved"):
        return {"outcome": "rejected", "by": answer.get("by"), **proposal}
    outcome = await ctx.execute_activity(publish, given)
    return {"outcome": outcome, "by": answer.get("by"), **proposal}


# A fan-out over a list


async def measure_city(given: _Input) -> _Input:
    """Measure one city; longer names take longer."""
    name = given["city"]
    await _work(given, 0.3 + 0.15 * len(name))
    return {"city": name, "temperature": 8 + sum(map(ord, name)) % 20}


def average(temperatures: list[float]) -> float:
    """Return the mean, rounded to one decimal."""
    return round(sum(temperatures) / len(temperatures), 1)


@workflow(name="inngest_nb.samples:fan_out")
async def fan_out(ctx: AsyncWorkflowContext, given: _Input | None = None) -> _Input:
    """Measure all cities at once, then compute the average. Input: `cities`, a list of names."""
    cities = ["Oslo", "Lima", "Nairobi", "Kyoto", "Reykjavik", "Montevideo"]
    given = _with(given, cities=cities)
    measured = await asyncio.gather(
        *(ctx.execute_activity(measure_city, given | {"city": city}) for city in given["cities"])
    )
    mean = await ctx.execute_activity(average, [each["temperature"] for each in measured])
    return {"average": mean, "warmest": max(measured, key=lambda each: each["temperature"])["city"]}


# A long import, with progress


async def count_rows(given: _Input) -> int:
    """Count the rows to import."""
    await _work(given, 0.4)
    return int(given["rows"])


async def import_chunk(given: _Input) -> _Input:
    """Import some rows, and report the progress."""
    await _work(given, 0.35)
    first, count, rows = given["first"], given["count"], given["of"]
    return {"rows": count, "progress": round((first + count) / rows, 3)}


@workflow(name="inngest_nb.samples:import_rows")
async def import_rows(ctx: AsyncWorkflowContext, given: _Input | None = None) -> _Input:
    """Import a file in chunks; the result of each chunk has the `progress`, from 0 to 1.

    Input: `rows` (10,000) and `chunk` (1,000).
    """
    given = _with(given, rows=10_000, chunk=1_000)
    rows = await ctx.execute_activity(count_rows, given)
    imported = 0
    for first in itertools.takewhile(lambda row: row < rows, itertools.count(0, given["chunk"])):
        chunk = {"first": first, "count": min(given["chunk"], rows - first), "of": rows}
        done = await ctx.execute_activity(import_chunk, given | chunk)
        imported += done["rows"]
    return {"imported": imported}


# A workflow that fails


async def read_meter(given: _Input) -> int:
    """Return a reading that is too large."""
    await _work(given, 0.5)
    return 10**6


class MeterError(Exception):
    """An impossible reading."""


def check_reading(reading: int) -> int:
    """Reject an impossible reading."""
    if reading > 99_999:
        raise MeterError(f"a meter with five digits cannot show {reading}")
    return reading


@workflow(name="inngest_nb.samples:broken")
async def broken(ctx: AsyncWorkflowContext, given: _Input | None = None) -> int:
    """Fail: the check rejects the reading, on the retry too."""
    given = given or {}
    reading = await ctx.execute_activity(read_meter, given)
    checked: int = await ctx.execute_activity(check_reading, reading, retry=_retry(given, 2))
    return checked
