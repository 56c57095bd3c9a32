"""What is redacted is gone from the whole file, and everything else stays as it is."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from frame_states import NOON, go_states, history, state
from hypothesis import given
from hypothesis import strategies as st

import inngest_nb as inb
from inngest_nb import HistoryEvent, MemoryStore, WorkflowState, wire
from inngest_nb.bundles._redaction import Redaction, paths_of

STAND_IN = re.compile(r"redacted-[0-9a-f]{8}")
NAME = 'Ada "the Countess" Lovelace\\Zoë <&>\n'
MAIL = "ada@lovelace.example"
STREET = "Straße 12"
CITY = "東京都千代田区"
DIGITS = "4111222233334444"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "incident.db"


def exported(path: Path, states: Any, *paths: str, **options: Any) -> list[WorkflowState]:
    inb.export(states, path, redact=paths, overwrite=True, **options)
    with inb.open_bundle(path) as bundle:
        return bundle.list()


def spellings(text: str) -> set[str]:
    """How a text can be written inside of another text."""
    utf8_json = json.dumps(text, ensure_ascii=False)[1:-1]
    return {
        text,
        json.dumps(text)[1:-1],
        utf8_json,
        utf8_json.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
        repr(text)[1:-1],
        ascii(text)[1:-1],
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
    }


def texts_in(value: Any) -> set[str]:
    """All texts and keys in a JSON value."""
    if isinstance(value, dict):
        return {*value}.union(*map(texts_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(texts_in, value))
    return {value} if isinstance(value, str) else set()


def planted() -> list[WorkflowState]:
    """The customer of a workflow in every place that a text can be."""
    customer = {"name": NAME, "mail": MAIL, "address": {"street": STREET, "city": CITY}, "age": 36}
    events = history(
        ("workflow_started", "", 0, {"input": {"customer": customer, "total": 12}}),
        (
            "activity_started",
            "send_mail",
            1,
            {
                "input": {"to": MAIL, "who": [NAME, {NAME: 1}], "card": DIGITS},
                "versions": {f"for {CITY}": 1},
            },
        ),
        (
            "activity_failed",
            f"send_mail to {MAIL}",
            2,
            {
                "error": f"cannot send to {NAME} ({MAIL}): {json.dumps(customer)}",
                "error_type": f"Unknown{CITY}Error",
                "details": {"url": f"https://example.com/?q={quote(NAME)}&c={quote_plus(NAME)}"},
                "trace": "\n".join(f"said {each}" for each in sorted(spellings(NAME))),
            },
        ),
        (
            "signal_received",
            "",
            3,
            {"signal_name": f"for {STREET}", "signal_payload": {"mail": MAIL, "card": int(DIGITS)}},
        ),
        ("activity_completed", "child", 4, {"child": f"child-{MAIL}", "result": [CITY, NAME * 2]}),
    )
    parent = state(
        f"order-{MAIL}",
        "failed",
        input={"customer": customer, "total": 12.50, "card": DIGITS},
        result={"greeting": f"Hello {NAME}!", "mails": [MAIL.upper(), MAIL]},
        error=f"no mail for {CITY}",
        history=events,
        created_at=NOON,
        updated_at=NOON,
        owner=f"host of {NAME}",
    )
    odd = json.loads(wire.encode(parent)) | {f"X{CITY}": {"deep": [NAME, {MAIL: STREET}]}}
    odd["History"][0][f"Y{CITY}"] = NAME
    child = state(f"child-{MAIL}", parent_id=parent.workflow_id, input=f"to {MAIL}")
    fork = state(
        "fork-1",
        forked_from=inb.state.ForkOrigin(workflow_id=parent.workflow_id, run_id=CITY, event_id=2),
    )
    return [wire.decode(json.dumps(odd).encode()), child, fork]


def test_nothing_of_a_redacted_text_is_in_any_byte_of_the_file(path: Path) -> None:
    states = planted()
    store = MemoryStore()
    for one in states:
        store.save(one)
    inb.export(
        store,
        path,
        redact=["input.customer", "input.card"],
        author=f"the friend of {NAME}",
        where=f"input.total < 1000 or input.customer.mail = {json.dumps(MAIL)} or events < 1",
    )
    content = path.read_bytes()
    with inb.open_bundle(path) as bundle:
        texts = set().union(*(texts_in(json.loads(wire.encode(one))) for one in bundle.list()))
    for text in (NAME, MAIL, STREET, CITY, DIGITS):
        for spelling in spellings(text) | {json.dumps(each)[1:-1] for each in spellings(text)}:
            for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
                assert spelling.encode(encoding) not in content
            assert [each for each in texts if spelling in each] == []
    for kept in (b"send_mail", b"ADA@LOVELACE.EXAMPLE", b"Hello ", b"12.5", b"total"):
        assert kept in content


def test_ids_with_a_redacted_text_are_replaced_alike_wherever_they_are_named(path: Path) -> None:
    found = {one.workflow_id: one for one in exported(path, planted(), "input.customer")}
    (parent_id,) = (name for name in found if name.startswith("order-"))
    (child_id,) = (name for name in found if name.startswith("child-"))
    stand_in = parent_id.removeprefix("order-")
    assert STAND_IN.fullmatch(stand_in)
    assert child_id == f"child-{stand_in}"
    parent = found[parent_id]
    assert parent.history[4].child == child_id
    assert found[child_id].parent_id == parent_id
    assert found["fork-1"].forked_from.workflow_id == parent_id
    assert parent.history[1].input["to"] == stand_in
    assert parent.history[3].signal_payload["mail"] == stand_in
    assert parent.result["mails"] == [MAIL.upper(), stand_in]
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT workflow_id, owner FROM workflows").fetchall()
    assert {name for name, _ in rows} == {*found}
    assert not [owner for _, owner in rows if NAME in owner]


def test_times_statuses_and_event_types_stay(path: Path) -> None:
    before = state(
        "order-1",
        "completed",
        input={"words": ["completed", "workflow_completed", "2025-07-14", "Status", "Input"]},
        history=history(("workflow_completed", "", 1)),
        created_at=NOON,
        updated_at=NOON,
    )
    (after,) = exported(path, before, "input.words")
    assert (after.status, after.created_at, after.updated_at) == ("completed", NOON, NOON)
    assert after.history == before.history
    assert STAND_IN.fullmatch(after.input["words"])


def test_each_kind_of_value_gets_a_stand_in_of_its_kind(path: Path) -> None:
    values = {
        "text": "abc", "again": "abc", "empty": "", "null": None, "whole": 12, "same": 12,
        "whole_as_float": 12.0, "float": 12.5, "big": 123456789012345678901234567890, "true": True,
        "false": False, "object": {"a": [1.0, "x"]}, "same_object": {"a": [1, "x"]}, "list": [1],
        "other_list": [2], "no_list": "[1]",
    }  # fmt: skip
    (after,) = exported(path, state(input={"of": values}), *(f"input.of.{name}" for name in values))
    found = after.input["of"]
    assert found["text"] == found["again"]
    assert (found["empty"], found["null"]) == ("", None)
    texts = ("text", "true", "false", "object", "list", "other_list", "no_list")
    for name in texts:
        assert STAND_IN.fullmatch(found[name]), name
    assert len({found[name] for name in texts}) == len(texts)
    assert found["object"] == found["same_object"]
    assert type(found["whole"]) is type(found["big"]) is int
    assert type(found["float"]) is type(found["whole_as_float"]) is float
    assert found["whole"] == found["same"] == found["whole_as_float"]
    assert len({found[name] for name in ("whole", "float", "big")}) == 3
    assert 12 not in found.values()


def test_a_root_alone_hides_the_whole_payload(path: Path) -> None:
    before = state(
        input={"a": 1},
        result=["the result"],
        history=history(
            ("signal_received", "", 1, {"signal_name": "go", "signal_payload": {"b": "secret"}})
        ),
    )
    (after,) = exported(path, before, "input", "result", "payload")
    for hidden in (after.input, after.result, after.history[0].signal_payload):
        assert STAND_IN.fullmatch(hidden)
    assert after.history[0].signal_name == "go"
    assert after.history[0].input is None


def test_an_error_is_hidden_with_its_details_and_its_traceback(path: Path) -> None:
    told = {"error": "ValueError: no 17", "trace": "line 1\nno 17", "details": {"number": 17}}
    before = [
        state(
            name, "failed", error=told["error"], history=history(("activity_failed", "a", 1, told))
        )
        for name in ("order-1", "order-2")
    ]
    first, second = exported(path, before, "error")
    event = first.history[0]
    for hidden in (first.error, event.error, event.trace, event.details):
        assert STAND_IN.fullmatch(hidden)
    assert first.error == event.error == second.error
    assert event.activity_name == "a"
    (fine,) = exported(path, state(error=""), "input", "error")
    assert fine.error == ""


@pytest.mark.parametrize(
    ("paths", "hidden"),
    [
        (["input.items[].name"], ["items.0.name", "items.1.name"]),
        (["input.items[0].name"], ["items.0.name"]),
        (["input.items[-1].price", "input.items[].name"], ["items.0.name", "items.1.name", "items.1.price"]),
        (['input["a.b"]'], ["a.b"]),
        (["input.a.b"], ["a/b"]),
        (["input.items[]", "input.items[0].name"], ["items.0", "items.1"]),
        (["input.items[0]", "input.items[].name"], ["items.0", "items.1.name"]),
        (["input.a", "input.a.b"], ["a"]),
        (["input.a.b", "input.a"], ["a"]),
    ],
)  # fmt: skip
def test_exactly_what_the_paths_name_is_hidden(
    path: Path, paths: list[str], hidden: list[str]
) -> None:
    items = [{"name": "x", "price": 1}, {"name": "y", "price": 2}]
    before = {"a.b": "k", "a": {"b": "l"}, "items": items}
    (after,) = exported(path, state(input=before), *paths)
    changed = [
        place
        for place in ("a.b", "a", "a/b", "items.0", "items.1", "items.0.name", "items.1.name", "items.0.price", "items.1.price")
        if at(before, place) != at(after.input, place)
    ]  # fmt: skip
    whole = [place for place in changed if isinstance(at(after.input, place), str | int)]
    assert whole == sorted(hidden, key=changed.index)


def at(value: Any, place: str) -> Any:
    steps = [place] if place == "a.b" else re.split(r"[./]", place)
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list):
            value = value[int(step)]
        else:
            return None
    return value


def test_a_path_at_which_nothing_is_gives_a_warning(path: Path) -> None:
    with pytest.warns(UserWarning, match=r"redact: nothing is at input\.costumer") as warned:
        exported(path, state(input={"customer": 1}), "input.customer", "input.costumer")
    assert [Path(each.filename) for each in warned] == [Path(__file__)]


@pytest.mark.parametrize("value", [None, "", [], "x"])
def test_a_path_at_which_there_is_anything_gives_none(path: Path, value: Any) -> None:
    exported(path, state(input={"a": value}), "input.a")


@pytest.mark.parametrize(
    ("redact", "words"),
    [
        (["input."], "redact: "),
        (["customer.name"], "redact: .*input"),
        (["inptu.a"], "did you mean 'input'"),
        (["error.text"], "write 'error' instead of 'error.text'"),
        ([""], "redact"),
        (["status"], "redact"),
    ],
)
def test_a_wrong_path_is_an_error_at_the_call(path: Path, redact: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        inb.export([state()], path, redact=redact)
    assert not path.exists()


@pytest.mark.parametrize("redact", ["input.customer", 7, [7], None, [None]])
def test_paths_that_are_no_list_of_texts_are_refused(path: Path, redact: Any) -> None:
    with pytest.raises(TypeError, match="redact"):
        inb.export([state()], path, redact=redact)


def test_two_bundles_have_different_stand_ins(path: Path) -> None:
    before = state(input={"name": "Ada Lovelace", "age": 36})
    (first,) = exported(path, before, "input.name", "input.age")
    (second,) = exported(path, before, "input.name", "input.age")
    assert first.input["name"] != second.input["name"]
    assert first.input["age"] != second.input["age"]


def test_overlapping_texts_leave_no_rest_that_tells(path: Path) -> None:
    before = state(
        input={"a": "Ada Lovelace", "b": "Lovelace King", "c": "Ada Lovelace-Byron"},
        error="Ada Lovelace King, Ada Lovelace, Ada Lovelace-Byron, Ada Lovelace King",
    )
    (after,) = exported(path, before, "input.a", "input.b", "input.c")
    both, ada, byron, again = after.error.split(", ")
    assert [bool(STAND_IN.fullmatch(each)) for each in (both, ada, byron)] == [True] * 3
    assert both == again
    assert (ada, byron) == (after.input["a"], after.input["c"])
    assert both not in (ada, byron, after.input["b"])


def test_a_text_that_reads_as_another_one_in_json_has_its_own_stand_in(path: Path) -> None:
    first, second = 'say "so"', 'say \\"so\\"'
    before = state(input=[first, first], result=[second], error=f"{first}, {second}")
    for paths in (["input[0]", "result[]"], ["result[]", "input[]"]):
        (after,) = exported(path, before, *paths)
        assert after.input[0] == after.input[1] != after.result[0]
        assert after.error == f"{after.input[0]}, {after.result[0]}"


def test_numbers_that_differ_in_their_last_digit_have_different_stand_ins(path: Path) -> None:
    numbers = [10**40, 10**40 + 1, 10**40]
    (after,) = exported(path, state(input=numbers), "input[]")
    assert after.input[0] == after.input[2] != after.input[1]


def test_short_texts_numbers_and_blanks_are_replaced_only_at_the_paths(path: Path) -> None:
    before = state(
        input={"a": "xyz", "b": 1234, "c": "     "},
        result=["xyz", 1234, "     -     ", "12345"],
        error="xyz 1234",
    )
    (after,) = exported(path, before, "input.a", "input.b", "input.c")
    assert not {*before.input.values()} & {*after.input.values()}
    assert (after.result, after.error) == (before.result, before.error)


def test_a_number_in_whose_digits_a_redacted_text_is_goes_too(path: Path) -> None:
    before = state(
        input={"id": "10023"},
        result={"exact": 10023, "longer": [91002399, 1e5, 17], "text": "no. 10023!"},
        history=history(("activity_completed", "a", 1, {"seq": 10023, "result": 10023})),
    )
    (after,) = exported(path, before, "input.id")
    assert after.result["exact"] == after.history[0].result != 10023
    assert type(after.result["exact"]) is int
    assert after.result["longer"][0] != 91002399
    assert after.result["longer"][1:] == [1e5, 17]
    assert after.result["text"] == f"no. {after.input['id']}!"
    assert after.history[0].seq == 10023


def test_everything_else_stays_byte_for_byte(path: Path) -> None:
    document = b'{"WorkflowID":"odd-1","Extra":{"b":1.50,"a":123456789012345678901234567890},"Status":"queued","Input":{"x":1e2,"name":"Ada Lovelace","y":[ 1.0 ,"\\u0041\\/"]},"UpdatedAt":"2025-07-14T12:00:00.123456789+02:00"}'
    (after,) = exported(path, wire.decode(document), "input.name")
    assert wire.encode(after) == document.replace(b"Ada Lovelace", after.input["name"].encode())


def test_the_documents_of_go_are_readable_when_all_is_hidden(path: Path) -> None:
    before = list({one.workflow_id: one for one in go_states()}.values())
    after = exported(path, before, "input", "result", "payload", "error")
    assert len(after) == len(before)
    known = {one.workflow_id: one for one in before}
    for one in after:
        twin = known[one.workflow_id]
        assert one.status == twin.status
        assert [event.timestamp for event in one.history] == [e.timestamp for e in twin.history]
        assert {type(one.input), type(one.result)} <= {str, type(None), int, float}


def test_very_many_short_digits_end(path: Path) -> None:
    """All four-digit texts are hidden, so that nearly every stand-in contains one."""
    pins = [f"{number:04x}" for number in range(0, 65_536, 3)]
    (after,) = exported(path, state(input={"pins": pins}, result=pins), "input.pins[]")
    assert after.result == after.input["pins"]
    assert len(set(after.input["pins"])) == len(pins)
    assert all(pin.startswith("redacted-") for pin in after.input["pins"])


# Any document

LETTERS = st.text('ab1 "é\\', max_size=6)
LEAVES = st.none() | st.booleans() | st.integers(-99, 99_999) | st.floats(allow_nan=False, allow_infinity=False, width=16) | LETTERS  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=3)
    ),
    max_leaves=8,
)
STEPS = st.sampled_from([".p", ".q", "[]", "[0]", "[-1]"])
PATHS = st.builds(
    lambda root, steps: root + "".join(steps),
    st.sampled_from(["input", "result"]),
    st.lists(STEPS, max_size=3),
)


def leaves(value: Any, place: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Every value in a JSON value, by its place; those with something in them, too."""
    found = {place: value}
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= leaves(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found |= leaves(inner, (*place, number))
    return found


def is_named(place: tuple[Any, ...], value: Any, path: str) -> bool:
    """Whether a path leads to a place in a value, read in the simplest way."""
    steps = re.findall(r"\.(\w)|\[(-?\d*)\]", path)
    if len(steps) != len(place):
        return False
    for (key, number), step in zip(steps, place, strict=True):
        if key:
            if key != step or not isinstance(value, dict):
                return False
        elif not isinstance(value, list) or (
            number and int(number) not in (step, step - len(value))
        ):
            return False
        value = value[step]
    return True


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=3), st.lists(PATHS, min_size=1, max_size=3))  # fmt: skip
def test_equal_stays_equal_different_stays_different_and_nothing_else_changes(
    payloads: list[tuple[Any, Any]], texts: list[str]
) -> None:
    documents = [
        wire.encode(
            WorkflowState(
                workflow_id=f"w{number}",
                input=given_input,
                history=[HistoryEvent(id=1, type="activity_completed", result=result)],
            )
        )
        for number, (given_input, result) in enumerate(payloads)
    ]
    redaction = Redaction(paths_of(texts))
    for document in documents:
        redaction.learn(document)
    named: list[tuple[Any, Any]] = []
    stays: list[tuple[Any, Any]] = []
    for document in documents:
        before, after = json.loads(document), json.loads(redaction.redacted(document))
        for root, old, new in (
            ("input", before["Input"], after["Input"]),
            ("result", before["History"][0]["Result"], after["History"][0]["Result"]),
        ):
            paths = [text.removeprefix(root) for text in texts if text.startswith(root)]
            hidden = [
                place for place in leaves(old) if any(is_named(place, old, path) for path in paths)
            ]
            for place, value in leaves(new).items():
                was = leaves(old)[place]
                if place in hidden:
                    named.append((was, value))
                elif not isinstance(value, dict | list):
                    stays.append((was, value))
    secrets = {
        text
        for was, _ in named
        for text in leaves(was).values()
        if isinstance(text, str) and len(text) >= 4 and not text.isspace()
    }
    for was, now in named:
        if was is None or was == "":
            assert now == was
        elif isinstance(was, int | float) and not isinstance(was, bool):
            assert type(now) is type(was)
        else:
            assert STAND_IN.fullmatch(now)
    for was, now in named:
        for other, other_now in named:
            assert (tagged(was) == tagged(other)) == (now == other_now)
    for was, now in stays:
        hit = [text for text in secrets if text in spoken(was)]
        assert hit or (type(was), was) == (type(now), now)
        assert not [text for text in secrets if text in spoken(now)]


def tagged(value: Any) -> Any:
    """A value that equals only what is equal in JSON: true is not 1."""
    if isinstance(value, dict):
        return {key: tagged(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [tagged(inner) for inner in value]
    return ("bool", value) if isinstance(value, bool) else value


def spoken(value: Any) -> str:
    """The text of a value that stays, as it stands in JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
