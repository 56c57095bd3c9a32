"""The door for payloads: what JSON would not give back is refused, with its place in the value."""

from __future__ import annotations

import enum
import math
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inngest_nb as inb
from inngest_nb import HistoryEvent, Signal, WorkflowState, wire
from inngest_nb.errors import WorkflowFailedError


@dataclass
class Line:
    price: Any
    note: Any = None


class Parcel(msgspec.Struct, rename="camel"):
    net_weight: Any
    note: Any = None


class Pair(msgspec.Struct, array_like=True):
    one: Any
    other: Any = None


class Point(NamedTuple):
    x: Any
    y: Any = None


class Sizes(enum.Enum):
    UNKNOWN = math.nan
    BROKEN = "\ud800"


class Attrs:
    """What a class of the attrs library looks like from outside."""

    __attrs_attrs__ = (msgspec.structs.fields(Parcel)[1],)

    def __init__(self, note: Any) -> None:
        self.note = note


NO_NUMBERS = [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("-Infinity"), Sizes.UNKNOWN]
WRAPPED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda bad: bad, "$"),
    (lambda bad: {"items": [0, None, "null", {"price": bad}]}, "$.items[3].price"),
    (lambda bad: {"items": [Line(1), Line(bad)]}, "$.items[1].price"),
    (lambda bad: Line(None, {"a": bad}), "$.note.a"),
    (lambda bad: Parcel(bad), "$.netWeight"),
    (lambda bad: [Parcel(1, Pair(0, bad))], "$[0].note[1]"),
    (lambda bad: Point(0, bad), "$[1]"),
    (lambda bad: {"a b": (1, {"x": frozenset([bad])})}, "$['a b'][1].x[0]"),
    (lambda bad: {"deep": Attrs([bad])}, "$.deep.note[0]"),
    (lambda bad: OrderedDict(a=1, b=OrderedDict(c=bad)), "$.b.c"),
    (lambda bad: {"x" * 200: bad}, "$." + "x" * 58 + "…" + "x" * 60),
]  # fmt: skip

DOORS: dict[str, Callable[[Any], Any]] = {
    "encode_json": wire.encode_json,
    "json_copy": wire.json_copy,
    "a new state": lambda value: wire.encode(WorkflowState(workflow_id="x", input=value)),
    "an edited state": lambda value: wire.encode(
        wire.decode(wire.encode(WorkflowState(workflow_id="x"))).replace(result=value)
    ),
    "an edited event": lambda value: wire.encode(
        wire.decode(b'{"WorkflowID":"x","History":[{"ID":1}]}').replace(
            history=(HistoryEvent(id=1, signal_payload=value),)
        )
    ),
    "a part": lambda value: wire.encode_part([HistoryEvent(), HistoryEvent(result=value)]),
    "a part's field": lambda value: wire.encode_part([], input=value),
}


EVERY_DOOR = pytest.mark.parametrize("door", [*DOORS.values()], ids=[*DOORS])


@EVERY_DOOR
@pytest.mark.parametrize("bad", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize(("wrapped", "place"), WRAPPED)
def test_what_is_no_number_is_refused_with_its_place(
    wrapped: Callable[[Any], Any], place: str, bad: Any, door: Callable[[Any], Any]
) -> None:
    with pytest.raises(ValueError, match="NaN and infinity are not valid JSON") as refused:
        door(wrapped(bad))
    assert str(refused.value).endswith(f", at {place}")


@EVERY_DOOR
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({1: "a", "1": "b"}, "the keys 1 and '1' are the same in JSON, at $"),
        ([{"a": {"1.5": 1, 1.5: 2}}], "the keys '1.5' and 1.5 are the same in JSON, at $[0].a"),
        (Line({date(2026, 1, 2): 1, "2026-01-02": 2}), "are the same in JSON, at $.price"),
        ({math.nan: 1}, "invalid key nan: NaN and infinity are not valid JSON; use None, at $"),
        ([Line({-math.inf: 1})], "invalid key -inf: NaN and infinity are not valid JSON; use None, at $[0].price"),
        ({Decimal("NaN"): 1}, "invalid key Decimal('NaN'): NaN"),
        ({Sizes.UNKNOWN: 1}, "NaN and infinity are not valid JSON; use None, at $"),
        ({"a": ["\ud800"]}, "'\\ud800' is an unpaired surrogate, which JSON does not allow, at $.a[0]"),
        (Line("x\udfff"), "'\\udfff' is an unpaired surrogate, which JSON does not allow, at $.price"),
        ({"\ud800": 1}, "'\\ud800' is an unpaired surrogate, which JSON does not allow, at $"),
        (Sizes.BROKEN, "'\\ud800' is an unpaired surrogate, which JSON does not allow, at $"),
        ({"a": 10**5000}, "4300 digits"),
        (msgspec.Raw(b"[1,"), "could not be read back"),
    ],
)  # fmt: skip
def test_what_json_would_not_give_back_is_refused_with_its_place(
    value: Any, words: str, door: Callable[[Any], Any]
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        door(value)


@EVERY_DOOR
@pytest.mark.parametrize(
    ("value", "place"),
    [
        pytest.param({"a": [1, object()]}, "$.a[1]", id="an object"),
        (Line({1, 2j}), "$.price["),
        ({"a": {None: 1}}, "$.a"),
        ([{(1, 2): 1}], "$[0]"),
        ({"a": Parcel(range(3))}, "$.a.netWeight"),
    ],
    ids=repr,
)
def test_what_is_no_json_at_all_is_a_type_error_with_its_place(
    value: Any, place: str, door: Callable[[Any], Any]
) -> None:
    with pytest.raises(TypeError, match=f"supported.*, at {re.escape(place)}"):
        door(value)


@pytest.mark.parametrize(
    "value",
    [
        {"note": "null", "NaN": "Infinity", "nan": None, "inf": [None, "NaN"]},
        {1: "a", "2": "b", 3.5: None},
        [Line(None), Parcel(1.5), Pair(1), Point(None), Decimal("1.10"), {1: None}],
        {"big": [2**70, None, 10**300, -(2**64)], "small": -0.0, "e": [1e308, 5e-324]},
        {date(2026, 1, 2): {1}, "x": b"\xcb\x7f\xf8", "n": None},
        2**63,
        "null",
        -0.0,
    ],
    ids=repr,
)
def test_what_only_looks_suspicious_goes_through(value: Any) -> None:
    text = msgspec.json.encode(value)
    assert wire.encode_json(value) == text
    assert wire.json_copy(value) == msgspec.json.decode(text)
    assert wire.decode(DOORS["a new state"](value)).input == msgspec.json.decode(text)
    (event,) = wire.decode(
        wire.splice(b'{"WorkflowID":"x"}', [wire.encode_part([HistoryEvent(input=value)])])
    ).history
    assert event.input == msgspec.json.decode(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats() | st.just(Sizes.UNKNOWN),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text() | st.integers(0, 3) | st.sampled_from("0123"), inner, max_size=4
        )
        | st.builds(Line, inner, inner)
        | st.builds(Parcel, inner, inner)
        | st.tuples(inner)
    ),
    max_leaves=10,
)


def survives(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return value.isascii() or not any(0xD800 <= ord(letter) < 0xE000 for letter in value)
    if isinstance(value, Line):
        return survives(value.price) and survives(value.note)
    if isinstance(value, Parcel):
        return survives(value.net_weight) and survives(value.note)
    if isinstance(value, dict):
        keys = [str(key) for key in value]
        return len(set(keys)) == len(keys) and all(map(survives, [*keys, *value.values()]))
    if isinstance(value, list | tuple):
        return all(map(survives, value))
    return value is not Sizes.UNKNOWN


@pytest.mark.parametrize("answer", [ZeroDivisionError("no"), NotImplemented, False, True])
def test_a_value_that_compares_oddly_goes_through_or_is_refused(answer: object) -> None:
    @dataclass(eq=False)
    class Odd:
        price: Any

        def __eq__(self, other: object) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    assert wire.json_copy([Odd(1)]) == [{"price": 1}]
    with pytest.raises(ValueError, match=r"at \$\[0\]\.price"):
        wire.json_copy([Odd(math.nan)])


@given(json_values)
def test_a_value_is_given_back_whole_or_refused(value: Any) -> None:
    if survives(value):
        assert wire.encode_json(value) == msgspec.json.encode(wire.json_copy(value))
        return
    with pytest.raises(ValueError, match=r"at \$"):
        wire.encode_json(value)


@pytest.mark.parametrize("name", ["error", "run_id", "status", "owner"])
def test_a_text_that_is_not_utf8_is_refused_with_its_field(name: str) -> None:
    state = WorkflowState(workflow_id="x", **{name: "\ud800"})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"unpaired surrogate, .*, at \$\.\w+"):
        wire.encode(state)
    with pytest.raises(ValueError, match=r"unpaired surrogate, .*, at \$\.\w+"):
        wire.encode_part([], **{name: "\ud800"})
    with pytest.raises(ValueError, match=r"unpaired surrogate, .*at \$\[1\]\.SignalName"):
        wire.encode_part([HistoryEvent(), HistoryEvent(signal_name="\ud800")])


@pytest.mark.parametrize("bad", [{"a": Line(math.nan)}, {"a": {1: "x", "1": "y"}}], ids=repr)
def test_no_run_and_no_store_takes_a_value_that_would_change(bad: Any, tmp_path: Path) -> None:
    def give(_: Any) -> Any:
        return bad

    async def result_of_activity(ctx: inb.AsyncWorkflowContext) -> None:
        await ctx.execute_activity(give, 1)

    async def input_of_activity(ctx: inb.AsyncWorkflowContext) -> None:
        await ctx.execute_activity(give, bad)

    async def result_of_workflow(ctx: inb.AsyncWorkflowContext) -> Any:
        return bad

    async def wait(ctx: inb.AsyncWorkflowContext, given: Any = None) -> Any:
        return await ctx.receive_signal("go")

    with inb.SqliteStore(tmp_path / "states.db") as store, inb.Executor(store) as executor:
        for workflow in (result_of_activity, input_of_activity, result_of_workflow):
            with pytest.raises(WorkflowFailedError, match=r"at \$\.a"):
                executor.execute(workflow).result(60)
        with pytest.raises(ValueError, match=r"at \$\.a"):
            executor.execute(wait, input=bad)
        handle = executor.execute(wait, id="waits")
        with pytest.raises(ValueError, match=r"at \$\.a"):
            executor.signal("waits", Signal("go", bad))
        executor.signal("waits", Signal("go", "well"))
        assert handle.result(60) == "well"
        with pytest.raises(ValueError, match=r"at \$\.a"):
            store.save(WorkflowState(workflow_id="mine", result=bad))
        assert store.load("mine") is None
        saved = store.load("waits")
        assert saved is not None
        with pytest.raises(ValueError, match=r"at \$\.a"):
            store.save(saved.replace(input=bad))
