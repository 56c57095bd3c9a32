"""A day of a shop with two troubles in it, and the bundle of it that the walkthrough 09 opens.

    PYTHONPATH=. python tests/incident.py    # makes notebooks/incident.db anew

In the evening a supplier is down; that is over. In the morning release 7.5 goes live, which takes
10 % off orders of more than 100 EUR and sends the amount of these as a text, so the bank refuses them.
"""

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import inngest_nb as inb
from inngest_nb import EventType, HistoryEvent, WorkflowState, wire
from inngest_nb.bundles import _export

BUNDLE = Path(__file__).parent.parent / "notebooks" / "incident.db"
# When the bundle says it was made. It is written anew for each schema of files, and still says this,
# because the walkthrough tells of that day.
NOW = datetime(2026, 11, 29, 17, tzinfo=UTC)
FIRST, LAST = NOW - timedelta(days=1), NOW - timedelta(minutes=10)
SUPPLIER_DOWN = NOW - timedelta(hours=22, minutes=20), NOW - timedelta(hours=20, minutes=30)
DEPLOYED = NOW - timedelta(hours=7, minutes=30)
DISCOUNTED = 100  # EUR, above which an order gets the discount of release 7.5


def make(path: Path) -> inb.BundleInfo:
    """Export the day's orders, as somebody on call would to show them to others."""
    states = [lean(state) for state in orders()]
    return inb.export(states, path, since=FIRST, redact=["input.customer"], author="on call")


def orders() -> Iterator[WorkflowState]:
    """Yield the day's orders, the oldest first: the same ones each time."""
    luck = random.Random(14)
    for state in inb.samples.states(1_300, seed=14, now=NOW):
        if state.workflow_id.startswith("order-") and FIRST <= begun(state) < LAST:
            yield as_it_ended(ordered(state), luck)


def ordered(state: WorkflowState) -> WorkflowState:
    """Return an order of this shop: its input has a total and the release, and nothing checks it."""
    total = round(sum(item["price"] * item["quantity"] for item in state.input["items"]), 2)
    kept = {key: state.input[key] for key in ("order", "customer", "items")}
    given = kept | {"total": total, "release": "7.5" if begun(state) >= DEPLOYED else "7.4"}
    first, *others = (one for one in state.history if one.activity_name != "validate_order")
    history = [first.replace(input=given)]
    history += [one.replace(id=number) for number, one in enumerate(others, 2)]
    return state.replace(input=given, history=tuple(history))


def as_it_ended(state: WorkflowState, luck: random.Random) -> WorkflowState:
    """Return an order as one of the troubles lets it end, or as it is."""
    order, total = state.input["order"], state.input["total"]
    if SUPPLIER_DOWN[0] <= begun(state) < SUPPLIER_DOWN[1]:
        error = f"HTTP 503 from supplier 'north-{luck.choice((1, 2))}': Service Unavailable"
        return failed_in("reserve_stock", {"order": order}, error, state, luck)
    if begun(state) >= DEPLOYED and total > DISCOUNTED:
        discount = round(total / 10, 2)
        payment = {"order": order, "amount": f"{total - discount:.2f}", "discount": discount}
        error = f"HTTP 400 from the bank: request {luck.getrandbits(40):010x} refused"
        return failed_in("charge_card", payment, error, state, luck)
    return state


def failed_in(
    activity: str, payload: object, error: str, state: WorkflowState, luck: random.Random
) -> WorkflowState:
    """Return a run whose three attempts of an activity failed, if it came as far as that."""
    place = next((n for n, e in enumerate(state.history) if e.activity_name == activity), None)
    if place is None:
        return state
    events, at = [*state.history[:place]], state.history[place].timestamp or NOW

    def note(type: EventType, **fields: object) -> None:
        number = len(events) + 1
        events.append(HistoryEvent(id=number, type=type, timestamp=at, **fields))  # type: ignore[arg-type]

    for pause in (2, 4, 0):
        note(EventType.ACTIVITY_STARTED, activity_name=activity, input=payload)
        took = timedelta(seconds=round(luck.uniform(0.2, 0.9), 3))
        at += took
        note(EventType.ACTIVITY_FAILED, activity_name=activity, error=error, duration=took)
        at += timedelta(seconds=pause)
    error = f"activity {activity}: {error}"
    note(EventType.WORKFLOW_FAILED, error=error)
    end = {"status": "failed", "error": error, "result": None, "updated_at": at}
    return state.replace(history=tuple(events), **end)


def lean(state: WorkflowState) -> WorkflowState:
    """Return a state whose document leaves out what is empty: the bundle is to be small."""
    document = json.loads(wire.encode(state))
    document["History"] = [
        {key: value for key, value in event.items() if value not in ("", None, 0)}
        for event in document["History"]
    ]
    return wire.decode(json.dumps(document, separators=(",", ":")).encode())


def begun(state: WorkflowState) -> datetime:
    assert state.created_at is not None
    return state.created_at


class _Then(datetime):
    """The clock of the export, a quarter of an hour after NOW."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return (NOW + timedelta(minutes=15)).astimezone(tz)


if __name__ == "__main__":
    _export.datetime = _Then  # type: ignore[misc]
    BUNDLE.unlink(missing_ok=True)
    sys.stdout.write(f"{make(BUNDLE)}\n")
