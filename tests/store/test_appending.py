"""The promises of every store to which history can be appended."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from appended_parts import NOON, done, event, part, refused, whole
from awkward_ids import AWKWARD_IDS
from msgspec import UNSET

from inngest_nb import AppendingStore, SqliteStore, WorkflowState, Write, wire
from inngest_nb.errors import StoreConflictError, StoreDecodeError, StoreFileError


def numbers(store: AppendingStore, workflow_id: str) -> list[int]:
    state = store.load(workflow_id)
    assert state is not None
    return [event.id for event in state.history]


def test_it_says_that_it_can(appending_store: AppendingStore) -> None:
    assert isinstance(appending_store, AppendingStore) or hasattr(appending_store, "_store")
    assert appending_store.can_append() is True
    assert list(appending_store.append_history([])) == []


def test_what_was_appended_makes_a_whole_with_what_was_there(
    appending_store: AppendingStore,
) -> None:
    expected = WorkflowState(
        workflow_id="x", run_id="r", status="running", input=[None], owner="me"
    )  # type: ignore[arg-type]
    done(appending_store, Write("x", wire.encode(expected), True, etag="e-1"))
    for number in range(1, 30, 2):
        later = NOON + timedelta(minutes=number)
        two = part("x", [number, number + 1], f"e{number}", f"e{number - 2}", updated_at=later)
        done(appending_store, two)
        expected = expected.replace(
            history=(*expected.history, event(number), event(number + 1)), updated_at=later
        )
        assert appending_store.load("x") == expected
    done(appending_store, part("x", [], "end", "e29", status="completed", result=7, owner=UNSET))
    expected = expected.replace(status="completed", result=7, owner=UNSET)

    loaded = appending_store.load("x")
    assert loaded == expected
    assert loaded is not None
    assert wire.encode(loaded) == wire.encode(expected)
    appending_store.refresh()
    assert appending_store.list() == appending_store.fetch() == [expected]


def test_the_documents_of_go_keep_every_byte(
    appending_store: AppendingStore, go_documents: list[bytes]
) -> None:
    for document in go_documents:
        before = wire.decode(document)
        appending_store.save(before)
        added = part(before.workflow_id, [1001])
        done(appending_store, added)

        loaded = appending_store.load(before.workflow_id)
        assert loaded is not None
        assert loaded.history[:-1] == before.history
        one = added.document.removeprefix(b'{"History":[').removesuffix(b"]}")
        nothing = b"[]" if b'"History":[]' in document else b"null"
        written = wire.encode(loaded)
        assert one in written
        alone = written.replace(b'"History":[%s]' % one, b'"History":%s' % nothing)
        assert alone.replace(b",%s]" % one, b"]") == document


def test_a_listing_follows_what_was_appended(appending_store: AppendingStore) -> None:
    for name, minutes in (("a", 1), ("b", 2), ("c", 3)):
        at = NOON + timedelta(minutes=minutes)
        done(appending_store, whole(name, f"{name}0", "", status="running", updated_at=at))
    late = NOON + timedelta(hours=1)
    done(appending_store, part("a", [1], "a1", "a0", status="failed", updated_at=late))
    done(appending_store, part("c", [1], "c1", "c0"))

    appending_store.refresh()
    for read in (appending_store.list, appending_store.fetch):
        assert [state.workflow_id for state in read()] == ["a", "c", "b"]
        (failed,) = read(status="failed")
        assert (failed.workflow_id, failed.updated_at, failed.history) == ("a", late, (event(1),))
        assert [state.workflow_id for state in read("running", 1)] == ["c"]


def test_every_version_has_an_etag_of_its_own_and_all_readers_tell_it(
    appending_store: AppendingStore,
) -> None:
    seen: list[str] = []
    for write in (
        lambda: appending_store.save(WorkflowState(workflow_id="x")),
        lambda: appending_store.save(WorkflowState(workflow_id="x")),
        lambda: done(appending_store, part("x", [1], if_match=seen[-1])),
        lambda: done(appending_store, whole("x", if_match=seen[-1])),
        lambda: done(appending_store, part("x", [1], "chosen-by-me", seen[-1])),
    ):
        write()
        loaded = appending_store.load("x")
        assert loaded is not None
        ((listed,), (fetched,)) = appending_store.list(), appending_store.fetch()
        assert loaded.etag
        assert loaded.etag == fetched.etag == listed.etag
        assert loaded.etag not in seen
        seen.append(loaded.etag)
    assert seen[-1] == "chosen-by-me"


def test_a_write_over_another_version_is_a_conflict_that_says_what_to_do(
    appending_store: AppendingStore,
) -> None:
    done(appending_store, whole("x", "e0", "", error="first"))
    done(appending_store, part("x", [1], "e1", "e0"))
    before = appending_store.load("x")
    for write in (
        part("x", [2], "e2", "e0"),
        part("x", [2], "e2", ""),
        part("x", [2], "e2", "e0", status="completed"),
        part("x", [2], "e2", "e0", owner="another"),
        whole("x", "e2", "e0", error="late"),
        whole("x", "e2", "", error="late"),
        whole("x", if_match="E1"),
    ):
        error = refused(appending_store, write)
        assert isinstance(error, StoreConflictError)
        assert error.workflow_id == "x"
        assert error.operation == ("save" if write.whole else "append")
        assert "load it" in str(error)
        after = appending_store.load("x")
        assert (after, after and after.etag) == (before, "e1")


def test_a_new_workflow_is_written_only_where_there_is_none(
    appending_store: AppendingStore,
) -> None:
    done(appending_store, whole("x", "e0", "", error="first"))
    assert "is already stored" in str(
        refused(appending_store, whole("x", "e1", "", error="second"))
    )
    appending_store.delete("x")
    done(appending_store, whole("x", "e1", "", error="second"))
    loaded = appending_store.load("x")
    assert loaded is not None
    assert loaded.error == "second"


def test_nothing_is_appended_to_what_is_not_stored(appending_store: AppendingStore) -> None:
    for if_match in (None, "e0", "", "*"):
        error = refused(appending_store, part("x", [1], "e1", if_match))
        assert isinstance(error, StoreConflictError)
        assert "whole state" in str(error)
    for if_match in ("e0", "*"):
        assert isinstance(
            refused(appending_store, whole("x", if_match=if_match)), StoreConflictError
        )
    assert appending_store.load("x") is None
    assert appending_store.fetch() == []


def test_any_stored_version_will_do_for_a_star(appending_store: AppendingStore) -> None:
    appending_store.save(WorkflowState(workflow_id="x"))
    done(appending_store, part("x", [1], if_match="*"))
    done(appending_store, whole("x", if_match="*", error="again"))
    done(appending_store, part("x", [2]))
    assert numbers(appending_store, "x") == [2]


def test_repeating_a_write_changes_nothing_and_is_a_success(
    appending_store: AppendingStore,
) -> None:
    for write in (
        whole("x", "e0", ""),
        part("x", [1], "e1", "e0"),
        part("x", [2], "e2"),
        whole("x", "e3", "e2"),
        part("x", [3], "e4", "*"),
        part("x", [4], "e5", "e4", owner="me"),
        part("x", [5], "e6", "e5", status="completed"),
        part("x", [6], "e7", status="failed"),
    ):
        done(appending_store, write)
        before = appending_store.load("x")
        done(appending_store, write)
        done(appending_store, write, write)
        after = appending_store.load("x")
        assert (after, after and after.etag) == (before, write.etag)
    assert numbers(appending_store, "x") == [3, 4, 5, 6]


def test_a_repeat_that_comes_after_a_later_write_changes_nothing(
    appending_store: AppendingStore,
) -> None:
    done(
        appending_store,
        whole("x", "e0", ""),
        part("x", [1], "e1", "e0"),
        part("x", [2], "e2", "e1"),
    )
    (error,) = appending_store.append_history([part("x", [1], "e1", "e0")])
    assert isinstance(error, StoreConflictError)
    assert numbers(appending_store, "x") == [1, 2]


def test_of_many_writes_at_once_each_has_its_own_outcome(appending_store: AppendingStore) -> None:
    appending_store.save(WorkflowState(workflow_id="old"))
    outcomes = appending_store.append_history(
        [
            whole("a", "a0", ""),
            part("a", [1], "a1", "a0"),
            part("nobody", [1]),
            whole("..", "b0"),
            part("old", [1], "c1", "not-this"),
            Write("old", b'{"History":[{"ID":"one"}]}', False),
            Write("old", b'{"WorkflowID":"a"}', False),
            Write("old", b'{"WorkflowID":"a"}', True),
            part("old", [2], "an etag"),
            part("old", [2], "c2"),
            part("a", [2], "a2", "a1"),
        ]
    )
    kinds = [None if outcome is None else type(outcome).__name__ for outcome in outcomes]
    conflict, wrong = "StoreConflictError", "ValueError"
    assert kinds == [
        *(None, None, conflict, wrong, conflict, "StoreDecodeError", wrong, wrong, wrong),
        *(None, None),
    ]
    assert numbers(appending_store, "a") == [1, 2]
    assert numbers(appending_store, "old") == [2]
    assert appending_store.load("nobody") is None
    assert len(appending_store.fetch()) == 2


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"null", b"[]", b'{"History":[{"Type":7}]}', b'{"Status":null}', b'{"Error":"\xff"}',
     b'{"Input":NaN}', b'{"Input":' + b"[" * 5000 + b"]" * 5000 + b"}", b"\xef\xbb\xbf{}"],
)  # fmt: skip
def test_a_broken_document_is_refused_and_nothing_is_changed(
    appending_store: AppendingStore, document: bytes
) -> None:
    done(appending_store, whole("x", "e0", "", error="first"))
    for is_whole in (False, True):
        error = refused(appending_store, Write("x", document, is_whole, etag="e1", if_match="e0"))
        assert isinstance(error, StoreDecodeError)
    loaded = appending_store.load("x")
    assert loaded is not None
    assert (loaded.error, loaded.etag) == ("first", "e0")


def test_a_whole_save_takes_the_place_of_all_parts(appending_store: AppendingStore) -> None:
    appending_store.save(WorkflowState(workflow_id="x"))
    done(appending_store, part("x", [1]), part("x", [2]))
    appending_store.save(WorkflowState(workflow_id="x", error="anew"))
    assert numbers(appending_store, "x") == []
    done(appending_store, part("x", [3]))
    assert numbers(appending_store, "x") == [3]
    appending_store.delete("x")
    assert appending_store.load("x") is None
    appending_store.save(WorkflowState(workflow_id="x"))
    assert numbers(appending_store, "x") == []


def test_the_first_save_stays_the_first(appending_store: AppendingStore) -> None:
    appending_store.save(WorkflowState(workflow_id="x"))
    first = appending_store.load("x")
    done(appending_store, part("x", [1]), whole("x"), part("x", [2]))
    last = appending_store.load("x")
    assert first is not None
    assert last is not None
    assert first.first_saved_at is not None
    assert last.first_saved_at == first.first_saved_at


def test_every_id_has_a_history_of_its_own(appending_store: AppendingStore) -> None:
    awkward = [*AWKWARD_IDS, "history", "x/history", "x%2Fhistory", "*", '"quoted"']
    done(appending_store, *(whole(name, "e0", "") for name in awkward))
    for number, name in enumerate(awkward):
        done(appending_store, part(name, [number], "e1", "e0"))
    for number, name in enumerate(awkward):
        assert numbers(appending_store, name) == [number]


def test_an_etag_that_no_header_carries_is_refused(appending_store: AppendingStore) -> None:
    appending_store.save(WorkflowState(workflow_id="x"))
    for bad in ("*", "a b", 'a"b', "a\r\nX-Evil: 1", "é", "\x00", "x" * 201):
        assert isinstance(refused(appending_store, part("x", [1], bad)), ValueError)
        if bad != "*":
            assert isinstance(refused(appending_store, part("x", [1], "fine", bad)), ValueError)
    assert numbers(appending_store, "x") == []
    done(appending_store, part("x", [1], "W/" + "~!#'()," + "x" * 190))
    assert numbers(appending_store, "x") == [1]


def test_more_can_be_written_at_once_than_a_server_takes(appending_store: AppendingStore) -> None:
    filler = "y" * 2_000_000
    done(appending_store, *(whole(f"x{n}", "e0", "") for n in range(12)))
    done(appending_store, *(part(f"x{n}", [n], "e1", "e0", error=filler) for n in range(12)))
    for n in range(12):
        assert numbers(appending_store, f"x{n}") == [n]


def test_one_workflow_can_be_written_many_times_at_once(appending_store: AppendingStore) -> None:
    first, *others = (part("x", [n], f"e{n}", f"e{n - 1}") for n in range(12))
    done(appending_store, whole("x", "e-1", ""), first, *others, whole("y"))
    assert numbers(appending_store, "x") == list(range(12))
    (late,) = appending_store.append_history([first])  # known over HTTP, refused elsewhere
    assert late is None or isinstance(late, StoreConflictError)
    assert numbers(appending_store, "x") == list(range(12))


def test_a_closed_store_says_so_for_each_write(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "states.db")
    store.close()
    errors = store.append_history([whole("x"), part("y", [1])])
    assert [type(error) for error in errors] == [StoreFileError] * 2
    assert "closed" in str(errors[0])


def test_a_step_that_names_itself_as_its_base_is_a_repeat(appending_store: AppendingStore) -> None:
    done(appending_store, whole("x", "e0", "", status="running"), part("x", [1], "e1", "e0"))
    again = part("x", [1], "e1", "e1")
    done(appending_store, again, again)
    assert numbers(appending_store, "x") == [1]


def test_a_step_makes_a_workflow_that_had_ended_run_again(appending_store: AppendingStore) -> None:
    done(appending_store, whole("x", "e0", "", status="completed"))
    running = part("x", [1], "e1", "e0", status="running")
    done(appending_store, running)
    loaded = appending_store.load("x")
    assert loaded is not None
    assert loaded.status == "running"
    assert [state.workflow_id for state in appending_store.fetch(status="running")] == ["x"]
    assert appending_store.fetch(status="completed") == []
