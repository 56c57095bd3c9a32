"""Depth: 500 levels at every door, on every Python, wherever the caller's stack stands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inngest_nb as inb
from inngest_nb import HistoryEvent, WorkflowState, wire
from inngest_nb.errors import StoreDecodeError, WorkflowFailedError
from inngest_nb.wire import is_deeper


def nested(depth: int, inside: Any = None) -> Any:
    for level in range(depth):
        inside = [inside] if level % 2 else {"a": inside}
    return inside


def text_of(depth: int, inside: str = "null") -> bytes:
    return (("[" * depth) + inside + ("]" * depth)).encode()


def deep_in_the_stack(work: Callable[[], Any]) -> Any:
    """Call with hardly any room left for calls, as from a deep recursion of the user's."""

    def down(frames: int) -> Any:
        return work() if frames == 0 else down(frames - 1)

    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1  # type: ignore[assignment]
    return down(sys.getrecursionlimit() - used - 60)


def at_once(work: Callable[[], Any]) -> Any:
    return work()


STACKS = pytest.mark.parametrize("called", [at_once, deep_in_the_stack])


@STACKS
@pytest.mark.parametrize("inside", [None, 1, "[", 'é \\ " ]]'])
def test_a_payload_of_500_levels_goes_through_every_door(
    called: Callable[[Callable[[], Any]], Any], inside: Any
) -> None:
    payload = nested(500, inside)

    def through_all() -> list[Any]:
        document = wire.encode(WorkflowState(workflow_id="x", input=payload))
        event = HistoryEvent(id=1, result=payload, signal_payload=payload, input=payload)
        loaded = wire.decode(document)
        edited = wire.decode(wire.encode(loaded.replace(error="x", history=(event,))))
        again = wire.decode(
            wire.encode(
                edited.replace(
                    input=[payload[0]] if isinstance(payload, list) else {"b": payload["a"]}
                )
            )
        )
        part = wire.encode_part([event], result=payload)
        wire.part_head(part)
        wire.head(document, payloads=True)
        spliced = wire.decode(wire.splice(document, [part, part]))
        assert wire.encode(loaded) == document
        return [
            loaded.input,
            edited.history[0].signal_payload,
            again.history[0].input,
            spliced.history[1].result,
            wire.json_copy(payload),
            wire.duplicate(payload),
            wire.decode_json(wire.encode_json(payload)),
        ]

    texts = [json.dumps(value) for value in called(through_all)]
    assert texts == [json.dumps(payload)] * len(texts)


STATE = WorkflowState(workflow_id="x")
LOADED = wire.decode(wire.encode(STATE))
DOORS: dict[str, Callable[[Any, bytes], Any]] = {
    "encode_json": lambda value, text: wire.encode_json(value),
    "json_copy": lambda value, text: wire.json_copy(value),
    "encode": lambda value, text: wire.encode(STATE.replace(input=value)),
    "encode of a loaded one": lambda value, text: wire.encode(LOADED.replace(result=value)),
    "encode of an event": lambda value, text: wire.encode(
        LOADED.replace(history=(HistoryEvent(result=value),))
    ),
    "encode_part": lambda value, text: wire.encode_part([HistoryEvent(result=value)]),
    "encode_part of a field": lambda value, text: wire.encode_part([], result=value),
    "decode_json": lambda value, text: wire.decode_json(text),
    "decode": lambda value, text: wire.decode(document_of(text)),
    "head": lambda value, text: wire.head(document_of(text)),
    "head with payloads": lambda value, text: wire.head(document_of(text), payloads=True),
    "part_head": lambda value, text: wire.part_head(document_of(text)),
}


def document_of(text: bytes) -> bytes:
    return b'{"WorkflowID":"x","History":[{"Result":%s}]}' % text


@STACKS
@pytest.mark.parametrize("depth", [501, 985, 9_999])
@pytest.mark.parametrize("door", [*DOORS.values()], ids=[*DOORS])
def test_one_level_more_is_refused_by_every_door_with_words(
    called: Callable[[Callable[[], Any]], Any], depth: int, door: Callable[[Any, bytes], Any]
) -> None:
    value, text = nested(depth), text_of(depth)
    with pytest.raises((ValueError, StoreDecodeError), match="nested deeper than 500 levels"):
        called(lambda: door(value, text))


@STACKS
def test_a_value_that_holds_itself_is_refused(called: Callable[[Callable[[], Any]], Any]) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested deeper than 500 levels"):
        called(lambda: wire.encode_json({"a": loop}))


json_values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\n,:é'),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet='[]{}"\\é'), inner, max_size=3)
    ),
    max_leaves=30,
)


@given(json_values, st.integers(0, 30), st.booleans())
def test_the_depth_of_json_is_told_exactly(value: Any, more: int, compact: bool) -> None:
    value = nested(more, value)
    text = json.dumps(value, separators=(",", ":") if compact else None).encode()
    depth = depth_of(value)
    assert [is_deeper(text, most) for most in range(depth + 3)] == [
        depth > most for most in range(depth + 3)
    ]


LONG = "x" * 70_000


@pytest.mark.parametrize("depth", [500, 501])
@pytest.mark.parametrize(
    "around",
    [
        lambda deep: [LONG, deep],
        lambda deep: [deep, LONG],
        lambda deep: [[[]] * 40_000, deep],
        lambda deep: {"a": [{}] * 300, "b": LONG, "c": [{}] * 300, "d": deep},
        lambda deep: ["[" * 70_000, deep, "]}" * 70_000],
    ],
    ids=["text first", "text last", "brackets first", "few, then more", "brackets in strings"],
)
def test_the_depth_of_long_texts_is_told_exactly(around: Callable[[Any], Any], depth: int) -> None:
    text = msgspec.json.encode(around(nested(depth - 1)))
    assert is_deeper(text, 500) is (depth > 500)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@pytest.mark.parametrize("called", [at_once, deep_in_the_stack])
def test_a_run_takes_and_gives_500_levels_and_says_what_is_wrong_with_more(
    called: Callable[[Callable[[], Any]], Any],
) -> None:
    def grow(depth: int) -> Any:
        return nested(depth)

    async def workflow(ctx: inb.AsyncWorkflowContext, depth: int) -> Any:
        return await ctx.execute_activity(grow, depth)

    with inb.Executor(workers=1) as executor:
        assert called(lambda: executor.execute(workflow, input=500).result(60)) == nested(500)
        for depth in (501, 600, 5_000):
            with pytest.raises(WorkflowFailedError, match="nested deeper than 500 levels"):
                executor.execute(workflow, input=depth).result(60)
        with pytest.raises(ValueError, match="nested deeper than 500 levels"):
            called(lambda: executor.execute(workflow, input=nested(501)))
        assert executor.execute(workflow, input=3).result(60) == nested(3)  # its worker lives on
