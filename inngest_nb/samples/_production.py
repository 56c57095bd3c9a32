"""Workflow states that resemble a few days of production."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import cos, log, tau
from typing import Any, TypeVar

from inngest_nb.samples._names import ERRORS, GOODS, PEOPLE, PERMANENT, QUESTIONS, TIMEOUT
from inngest_nb.state import (
    UNSET,
    EventType,
    HistoryEvent,
    UnsetType,
    Waits,
    WorkflowState,
    WorkflowStatus,
)
from inngest_nb.store import AppendingStore, InngestStore, WorkflowStore, is_async
from inngest_nb.store.rows import write_of

__all__ = ["fill", "states"]

Store = TypeVar("Store", bound=WorkflowStore)

_AT_ONCE = 250


def fill(store: Store, n: int, seed: int = 0, now: datetime | None = None) -> Store:
    """Save `n` workflow states that resemble production, and return the store.

    They come from `states`. The ids are the same each time, so filling again overwrites them.
    """
    if is_async(store):
        raise TypeError(
            f"fill() cannot await {type(store).__name__}.save; use a synchronous store, such as "
            "InngestStore, or save the states of samples.states() yourself"
        )
    _save(store, states(n, seed, now))
    return store


def _save(store: WorkflowStore, every: Iterable[WorkflowState]) -> None:
    if not (isinstance(store, AppendingStore) and store.can_append()):
        for state in every:
            store.save(state)
        return
    # Many in one commit: one by one, the thousands of the walkthroughs would take far longer.
    writes = (write_of(state)._replace(etag="") for state in every)
    while some := list(islice(writes, _AT_ONCE)):
        for error in store.append_history(some):
            if error is not None:
                raise error
    if isinstance(store, InngestStore):
        store.refresh()  # its cache does not include what it appends


def states(n: int, seed: int = 0, now: datetime | None = None) -> Iterator[WorkflowState]:
    """Yield `n` workflow states that resemble production, the oldest first.

    They started in the five days before `now` (None: the current time). Most have completed; others
    are running, have been stuck for hours or days, failed, or were canceled. Two days ago, a
    supplier was down for a few hours. The same arguments yield the same states.
    """
    now = now or datetime.now(UTC)
    if now.tzinfo is None:
        raise ValueError(f"now needs a time zone, as in datetime.now(UTC); got {now!r}")
    now = now.astimezone(UTC)
    luck = random.Random(seed)  # noqa: S311  # reproducible on purpose
    fates = luck.choices(list(_FATES), list(_FATES.values()), k=n)
    kinds = luck.choices(list(_KINDS), [share for share, _, _ in _KINDS.values()], k=n)
    plans = sorted((now - _age(fate, now, luck), fate) for fate in fates)
    numbers = dict.fromkeys(_KINDS, 0)
    for kind, (begun, fate) in zip(kinds, plans, strict=True):
        numbers[kind] += 1
        yield _Run(kind, numbers[kind], fate, begun, luck, _outage(now)).state(now)


_FATES = {"well": 84, "fresh": 3, "fails": 7, "stuck": 2.5, "canceled": 3.5}


def _age(fate: str, now: datetime, luck: random.Random) -> timedelta:
    """Choose the age of a run: most start by day, and stuck ones are at least hours old."""
    if fate == "fresh":
        return timedelta(seconds=luck.expovariate(1 / 60))
    while True:
        age = timedelta(days=luck.uniform(0.15 if fate == "stuck" else 0, 5))
        if luck.random() < 0.55 - 0.45 * cos(tau * ((now - age).hour - 2) / 24):
            return age


def _outage(now: datetime) -> tuple[datetime, datetime]:
    """Return when the supplier was down: the busy hours of the day before yesterday."""
    begun = now.replace(hour=12, minute=10, second=0, microsecond=0) - timedelta(days=2)
    return begun, begun + timedelta(hours=2, minutes=45)


class _StopError(Exception):
    """A simulated run stops, with this status and error."""


class _Run:
    """A simulated run that writes the history of its fate."""

    def __init__(
        self,
        kind: str,
        number: int,
        fate: str,
        begun: datetime,
        luck: random.Random,
        outage: tuple[datetime, datetime],
    ) -> None:
        self.number = number
        self.luck = luck
        self._kind = kind
        self._fate = fate
        self.person = luck.choice(PEOPLE)
        self._at = self._begun = begun
        self._events: list[HistoryEvent] = []
        self._outage = outage
        self._waits: Waits | UnsetType = UNSET
        _, self._story, troubles = _KINDS[kind]
        self._trouble = luck.choice(troubles)

    def state(self, now: datetime) -> WorkflowState:
        """Simulate the run up to now, and return its saved state."""
        status, result, error = WorkflowStatus.COMPLETED, None, ""
        try:
            result = self._story(self)
        except _StopError as stop:
            status, error = stop.args
        if self._fate == "canceled":
            status, result, error = WorkflowStatus.CANCELED, None, f"canceled by {self.person}"
            del self._events[self.luck.randrange(1, len(self._events) + 1) :]
            self._at = self._events[-1].timestamp or self._begun
            self.wait(self.takes(20))
        if status is not WorkflowStatus.RUNNING:
            self.note(EventType(f"workflow_{status}"), result=result, error=error)
        events = [event for event in self._events if event.timestamp and event.timestamp <= now]
        if len(events) < len(self._events):  # the rest is in the future
            status, result, error = WorkflowStatus.RUNNING, None, ""
            self._waits = _waits_for(self._events[len(events)])
        return WorkflowState(
            workflow_id=f"{self._kind}-{self.number:06}",
            run_id=f"run-{self.luck.getrandbits(32):08x}",
            status=status,
            input=events[0].input,
            result=result,
            error=error,
            history=tuple(events),
            created_at=self._begun,
            updated_at=events[-1].timestamp,
            waits=self._waits,
        )

    def note(self, type: EventType, **fields: Any) -> None:  # noqa: A002  # the field's name
        """Record an event at the run's current time."""
        number = len(self._events) + 1
        self._events.append(HistoryEvent(id=number, type=type, timestamp=self._at, **fields))

    def begin(self, **payload: Any) -> None:
        """Record the first event; `payload` is the input."""
        self.note(EventType.WORKFLOW_STARTED, input=payload)

    def takes(self, seconds: float) -> timedelta:
        """Draw a duration from a long-tailed distribution with this median."""
        return timedelta(seconds=self.luck.lognormvariate(log(seconds), 0.7))

    def wait(self, time: timedelta) -> timedelta:
        """Advance the run's clock."""
        self._at += time
        return time

    def activity(self, name: str, seconds: float, payload: Any = None, result: Any = None) -> None:
        """Record an activity, with up to three attempts if it fails."""
        errors = ERRORS.get(name, ())
        struck = self._fate if name == self._trouble else ""
        for attempt in (1, 2, 3):
            self.note(EventType.ACTIVITY_STARTED, activity_name=name, input=payload)
            if struck == "stuck":
                raise _StopError(WorkflowStatus.RUNNING, "")
            down = name == "reserve_stock" and self._outage[0] <= self._at < self._outage[1]
            risk = 0.9 if down else 0.04
            if not errors or (struck != "fails" and self.luck.random() > risk):
                took = self.wait(self.takes(seconds))
                done = EventType.ACTIVITY_COMPLETED
                self.note(done, activity_name=name, result=result, duration=took)
                return
            error = self._error(errors)
            took = self.wait(timedelta(seconds=30) if error == TIMEOUT else self.takes(seconds))
            self.note(EventType.ACTIVITY_FAILED, activity_name=name, error=error, duration=took)
            if attempt == 3 or error.startswith(PERMANENT):
                raise _StopError(WorkflowStatus.FAILED, f"activity {name}: {error}")
            self.wait(self.takes(2 * attempt))

    def together(self, name: str, seconds: float, payloads: list[Any]) -> None:
        """Record concurrent activities, which end in any order."""
        ends = []
        for payload in payloads:
            self.note(EventType.ACTIVITY_STARTED, activity_name=name, input=payload)
            took = self.takes(seconds)
            ends.append((self._at + took, took))
            self._at += timedelta(milliseconds=1)
        for at, took in sorted(ends):
            self._at = max(at, self._at)
            self.note(EventType.ACTIVITY_COMPLETED, activity_name=name, duration=took)

    def signal(self, name: str, seconds: float, payload: Any) -> None:
        """Record a signal that arrives after about this time."""
        if name == self._trouble and self._fate == "stuck":
            self._waits = Waits(at=len(self._events), signals=(name,))
            raise _StopError(WorkflowStatus.RUNNING, "")
        self.wait(self.takes(seconds))
        self.note(EventType.SIGNAL_RECEIVED, signal_name=name, signal_payload=payload)

    def timer(self, seconds: float) -> None:
        """Record a timer of exactly this time."""
        self.note(EventType.TIMER_FIRED, duration=self.wait(timedelta(seconds=seconds)))

    def _error(self, templates: tuple[str, ...]) -> str:
        luck = self.luck
        return luck.choice(templates).format(
            hex=f"{luck.getrandbits(40):010x}",
            row=luck.randrange(2, 90_000),
            seconds=luck.randrange(2, 60),
            supplier=luck.choice(("north-1", "north-2", "harbour-7", "böhm & söhne")),
            column=luck.choice(("price", "quantity", "país")),
            value=luck.choice(("n/a", "12,50", "-", "<none>")),
        )


def _waits_for(event: HistoryEvent) -> Waits | UnsetType:
    """Return what a run waits for whose next event this is."""
    if event.type is EventType.SIGNAL_RECEIVED:
        return Waits(at=event.id - 1, signals=(event.signal_name,))
    if event.type is EventType.TIMER_FIRED:
        return Waits(at=event.id - 1, until=event.timestamp)
    return UNSET


def _order(run: _Run) -> Any:
    items = [
        (sku, price, run.luck.randrange(1, 4))
        for sku, price in run.luck.sample(GOODS, run.luck.randrange(1, 4))
    ]
    total = sum(price * quantity for _, price, quantity in items) / 100
    order = 41_000 + run.number
    lines = [{"sku": sku, "price": price / 100, "quantity": many} for sku, price, many in items]
    run.begin(order=order, customer=run.person, items=lines, currency="EUR")
    run.activity("validate_order", 0.05, {"order": order}, {"valid": True})
    run.activity("reserve_stock", 0.6, {"order": order}, {"warehouse": "north"})
    charge = f"ch_{run.luck.getrandbits(48):012x}"
    run.activity("charge_card", 1.4, {"order": order, "amount": total}, {"charge": charge})
    run.activity("send_receipt", 0.3, {"to": run.person})
    return {"order": order, "charged": total, "charge": charge}


def _approval(run: _Run) -> Any:
    amount = run.luck.randrange(40, 9_000)
    run.begin(request="travel", by=run.person, amount=amount, currency="EUR")
    run.activity("notify_manager", 0.4, {"amount": amount})
    if amount > 5_000:
        run.timer(3_600)
        run.activity("notify_manager", 0.4, {"amount": amount, "reminder": 1})
    manager = run.luck.choice(PEOPLE)
    approved = run.luck.random() < 0.9
    run.signal("decision", 5_400, {"approved": approved, "by": manager})
    run.activity("book_expense", 0.8, {"amount": amount if approved else 0})
    return {"approved": approved, "by": manager}


def _import(run: _Run) -> Any:
    rows = int(run.luck.lognormvariate(9, 1)) + 100
    run.begin(file=f"s3://imports/catalogue-{run.number}.csv", by=run.person, rows=rows)
    # A checksum of more than 64 bits, as real ones are.
    checksum = run.luck.getrandbits(96)
    run.activity("download_file", 4, None, {"checksum": checksum})
    run.activity("validate_rows", 8, {"rows": rows})
    batches = run.luck.randrange(2, 6)
    run.together("load_batch", 12, [{"batch": batch, "of": batches} for batch in range(batches)])
    return {"rows": rows, "checksum": checksum}


def _agent(run: _Run) -> Any:
    question = run.luck.choice(QUESTIONS)
    run.begin(question=question, asked_by=run.person, model="small-2")
    tokens = 0
    for turn in range(run.luck.randrange(1, 5)):
        used = run.luck.randrange(300, 4_000)
        tokens += used
        run.activity("call_model", 6, {"turn": turn, "tokens": tokens}, {"tokens": used})
        run.activity("search_documents", 1.2, {"turn": turn}, {"hits": run.luck.randrange(9)})
    run.activity("call_model", 6, {"turn": "answer", "tokens": tokens}, {"tokens": 512})
    return {"answer": f"About “{question}”: see the three documents.", "tokens": tokens + 512}


def _report(run: _Run) -> Any:
    run.begin(report="weekly sales", recipients=run.luck.sample(PEOPLE, 2))
    rows = run.luck.randrange(200, 40_000)
    run.activity("query_sales", 20, {"week": run.number % 52 + 1}, {"rows": rows})
    run.activity("render_pdf", 5, {"rows": rows}, {"pages": rows // 900 + 1})
    run.timer(30)
    run.activity("send_mail", 0.7)
    return {"rows": rows, "pages": rows // 900 + 1}


# Each kind: its share, its story, and where its trouble comes from.
_KINDS: dict[str, tuple[float, Callable[[_Run], Any], tuple[str, ...]]] = {
    "order": (46, _order, ("reserve_stock", "charge_card", "charge_card")),
    "approval": (14, _approval, ("decision", "book_expense")),
    "import": (15, _import, ("download_file", "validate_rows")),
    "agent": (15, _agent, ("call_model", "search_documents")),
    "report": (8, _report, ("query_sales", "send_mail")),
    "report-zürich": (2, _report, ("query_sales", "send_mail")),
}
