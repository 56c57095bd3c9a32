"""A write that is asked for again is done once, whatever was written since."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from appended_parts import done, part, refused, whole

from inngest_nb import AppendingStore, MemoryStore, SqliteStore, StateServer
from inngest_nb.errors import StoreKeyReusedError
from inngest_nb.store import keys

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a server whose file is states.db in the test's folder."""
    with (
        StateServer(tmp_path / "states.db", port=0) as server,
        httpx.Client(base_url=server.url, headers=JSON) as client,
    ):
        yield client


def put(client: httpx.Client, error: str, name: str, **headers: str) -> int:
    body = json.dumps({"WorkflowID": "x", "Error": error})
    return client.put("/v1/workflows/x", content=body, headers=named(name, headers)).status_code


def append(client: httpx.Client, number: int, name: str, **headers: str) -> int:
    body = json.dumps({"History": [{"ID": number}]})
    path = "/v1/workflows/x/history"
    return client.post(path, content=body, headers=named(name, headers)).status_code


def delete(client: httpx.Client, name: str, **headers: str) -> int:
    return client.delete("/v1/workflows/x", headers=named(name, headers)).status_code


def named(name: str, headers: dict[str, str]) -> dict[str, str]:
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    return given | {"Idempotency-Key": name}


def stored(client: httpx.Client) -> tuple[str, list[int]]:
    document = client.get("/v1/workflows/x").json()
    return document["Error"], [event["ID"] for event in document.get("History", [])]


def test_a_request_that_comes_again_after_others_changes_nothing(client: httpx.Client) -> None:
    assert [put(client, "A", "a"), append(client, 1, "b"), append(client, 2, "c")] == [204] * 3
    assert [append(client, 1, "b"), put(client, "A", "a"), append(client, 2, "c")] == [204] * 3
    assert stored(client) == ("A", [1, 2])
    assert put(client, "B", "d") == 204
    assert [put(client, "A", "a"), append(client, 1, '"b"')] == [204] * 2
    assert stored(client) == ("B", [])


def test_a_deletion_that_comes_again_leaves_what_was_saved_since(client: httpx.Client) -> None:
    assert [put(client, "A", "a"), delete(client, "gone"), put(client, "B", "b")] == [204] * 3
    assert delete(client, "gone") == 204
    assert put(client, "A", "a") == 204
    assert stored(client) == ("B", [])


def test_conditions_do_not_stand_in_the_way_of_a_repeat(client: httpx.Client) -> None:
    assert put(client, "A", "a", If_None_Match="*") == 204
    assert append(client, 1, "b", If_Match='"a"') == 204
    assert append(client, 2, "c", If_Match='"b", "other"') == 204
    assert put(client, "A", "a", If_None_Match="*") == 204
    assert append(client, 1, "b", If_Match='"a"') == 204
    assert append(client, 3, "d") == 204
    assert append(client, 2, "c", If_Match='"b", "other"') == 204
    assert stored(client) == ("A", [1, 2, 3])
    assert append(client, 4, "new", If_Match='"b", "other"') == 412


def test_a_name_that_another_request_had_is_refused_with_words(client: httpx.Client) -> None:
    assert put(client, "A", "a") == 204
    assert [put(client, "B", "a"), append(client, 1, "a"), delete(client, "a")] == [422] * 3
    body = json.dumps({"WorkflowID": "x", "Error": "C"})
    refused = client.put("/v1/workflows/x", content=body, headers={"Idempotency-Key": "a"})
    assert "another request on workflow 'x'" in refused.json()["error"]
    assert stored(client) == ("A", [])


def test_what_failed_may_be_tried_again_under_its_name(client: httpx.Client) -> None:
    assert append(client, 1, "a") == 404
    assert put(client, "A", "b") == 204
    assert put(client, "B", "c", If_Match='"not-this"') == 412
    assert put(client, "C", "c") == 204
    assert append(client, 1, "a") == 204
    assert stored(client) == ("C", [1])


def test_an_etag_names_a_version_and_is_not_remembered(
    client: httpx.Client, tmp_path: Path
) -> None:
    def tagged(etag: str, **headers: str) -> tuple[int, str]:
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        content = json.dumps({"WorkflowID": "x", "Error": etag})
        answer = client.put("/v1/workflows/x", content=content, headers=given | {"ETag": etag})
        return answer.status_code, answer.headers.get("ETag", "")

    assert tagged('"a"', If_None_Match="*") == (204, '"a"')
    assert tagged('"b"', If_Match='"a"') == tagged('"b"', If_Match='"a"') == (204, '"b"')
    assert tagged('"c"', If_Match='"b"') == (204, '"c"')
    assert tagged('"b"', If_Match='"a"')[0] == 412
    assert stored(client) == ('"c"', [])
    for bad in ("*", '"a b"', 'W/"a"', '"' + 201 * "a" + '"'):
        assert tagged(bad)[0] == 400, bad
    with closing(sqlite3.connect(tmp_path / "states.db")) as database:
        assert database.execute("SELECT count(*) FROM keys").fetchone() == (0,)


def test_one_name_on_two_workflows_is_two_names(client: httpx.Client) -> None:
    for name in ("x", "y"):
        body = json.dumps({"WorkflowID": name})
        answer = client.put(f"/v1/workflows/{name}", content=body, headers={"Idempotency-Key": "a"})
        assert answer.status_code == 204


def test_names_outlive_the_server(tmp_path: Path) -> None:
    for life in range(2):
        with (
            StateServer(tmp_path / "states.db", port=0) as server,
            httpx.Client(base_url=server.url, headers=JSON) as client,
        ):
            assert put(client, "A", "a") == 204
            if life == 0:
                assert put(client, "B", "b") == 204
            assert stored(client) == ("B", [])


def test_names_are_forgotten_after_a_day_and_where_they_are_too_many(
    client: httpx.Client, tmp_path: Path
) -> None:
    assert [put(client, "A", "a"), put(client, "B", "b"), put(client, "C", "c")] == [204] * 3
    with closing(sqlite3.connect(tmp_path / "states.db", isolation_level=None)) as database:
        database.execute("UPDATE keys SET at = at - 86401 WHERE number = 1")
        assert put(client, "A", "a") == 204
        assert stored(client) == ("A", [])
        assert put(client, "B", "b") == 204
        assert stored(client) == ("A", [])
        database.execute("UPDATE keys SET number = number + 99998 WHERE number = 4")  # that of A
        assert put(client, "D", "d") == 204
        assert database.execute("SELECT min(number) FROM keys").fetchone() == (100_002,)
    assert put(client, "B", "b") == 204
    assert stored(client) == ("B", [])


def test_the_names_of_writes_for_any_version_count_in_every_store(
    appending_store: AppendingStore,
) -> None:
    done(appending_store, whole("x", "a", error="A"), part("x", [1], "b"), part("x", [2], "c"))
    done(appending_store, part("x", [1], "b"), whole("y", "a"), part("x", [3], "d", "*"))
    done(appending_store, part("x", [2], "c"), whole("x", "a", error="A"))
    state = appending_store.load("x")
    assert state is not None
    assert (state.error, [event.id for event in state.history]) == ("A", [1, 2, 3])
    error = refused(appending_store, part("x", [4], "b"))
    assert isinstance(error, StoreKeyReusedError)
    assert error.workflow_id == "x"


def test_a_version_is_made_by_one_write_only(appending_store: AppendingStore) -> None:
    """Also where a write is for a certain version, so that it needs no name to be done once."""
    store = appending_store
    for first, other in (
        (whole("x", "e0", ""), whole("x", "e0", "", error="another")),
        (part("x", [1], "e1", "e0"), part("x", [2], "e1", "e0")),
        (whole("x", "e2", "e1", run_id="r"), part("x", [3], "e2", "e1")),
    ):
        done(store, first)
        done(store, first)
        assert isinstance(refused(store, other), StoreKeyReusedError)
    stored = store.load("x")
    assert stored is not None
    assert (stored.etag, stored.run_id, stored.history) == ("e2", "r", ())


@pytest.mark.parametrize("kind", [MemoryStore, lambda: SqliteStore("states.db")])
def test_saves_without_a_name_of_the_callers_are_not_remembered(
    kind: type[MemoryStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with kind() as store:
        done(store, whole("x", error="A"), whole("x", error="B"), whole("x", error="A"))
        done(store, part("x", [1]), part("x", [1]))
        state = store.load("x")
        assert state is not None
        assert (state.error, len(state.history)) == ("A", 2)


def test_two_requests_never_look_the_same() -> None:
    works = [whole("x", "e"), part("x", [1], "e"), part("x", [2], "e"), keys.Deletion("x")]
    assert len({keys.keyed("e", work).request for work in works}) == len(works)
    names = {keys.keyed(name, whole(on)).key for name, on in [("a", "bc"), ("ab", "c"), ("a", "b")]}
    assert len(names) == 3
