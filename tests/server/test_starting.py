"""Starting and stopping: ports, hosts, keys, files, and what is left behind."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_servers import plain_server
from started_threads import left_since, threads

from inngest_nb import (
    InngestStore,
    SqliteStore,
    StateServer,
    WorkflowState,
    WorkflowStore,
    local,
)
from inngest_nb.errors import ServerStartError, StoreFileError, StoreStatusError

X = WorkflowState(workflow_id="x")


def test_a_taken_port_names_what_answers_there_and_what_to_do(tmp_path: Path) -> None:
    with StateServer(tmp_path / "one.db", port=0) as first:
        with pytest.raises(ServerStartError, match="state server") as refusal:
            StateServer(tmp_path / "two.db", port=first.port).start()
    assert "--port" in str(refusal.value)
    assert not (tmp_path / "two.db").exists()
    with plain_server() as other, pytest.raises(ServerStartError, match="already used by a server"):
        StateServer(tmp_path / "two.db", port=other.server_port).start()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104
def test_beyond_this_machine_it_needs_a_key(tmp_path: Path, host: str) -> None:
    with pytest.raises(ServerStartError, match="without a key"):
        StateServer(tmp_path / "s.db", host=host)
    assert not list(tmp_path.iterdir())


def test_beyond_this_machine_the_key_is_what_protects(tmp_path: Path) -> None:
    server = StateServer(tmp_path / "s.db", host="0.0.0.0", port=0, event_key="key")  # noqa: S104
    with server, InngestStore(f"http://127.0.0.1:{server.port}", "key") as store:
        store.save(X)
        with InngestStore(f"http://127.0.0.1:{server.port}") as other:
            with pytest.raises(StoreStatusError, match="401"):
                other.load("x")


def test_a_host_that_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServerStartError, match="cannot listen"):
        StateServer(tmp_path / "s.db", host="192.0.2.1", port=0, event_key="key").start()


def test_a_file_that_is_no_database_is_told_and_frees_the_port(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"no database" * 1000)
    server = StateServer(tmp_path / "s.db", port=0)
    with pytest.raises(StoreFileError, match="not a database"):
        server.start()
    server.close()


@pytest.mark.parametrize("start", [lambda: local(":memory:"), lambda: SqliteStore(":memory:")])
def test_memory_is_memory_as_sqlite_means_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[], WorkflowStore]
) -> None:
    monkeypatch.chdir(tmp_path)
    with start() as store:
        store.save(X)
        assert store.load("x") == X
        assert store.fetch() == [X]
        assert "':memory:'" in repr(store)
    with start() as store:
        assert store.fetch() == []
    assert not list(tmp_path.iterdir())


def test_a_server_in_memory_can_do_what_any_other_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with StateServer(":memory:", port=0) as server, InngestStore(server.url) as store:
        assert ":memory:" in repr(server)
        assert store.can_append()
        assert store.can_share()
        store.save(X)
        store.save(X.replace(input="x" * 10**6))  # too long to be read at once
        assert store.load("x") == X.replace(input="x" * 10**6)
    assert not list(tmp_path.iterdir())


def test_it_stops_with_its_block_and_leaves_no_thread(tmp_path: Path) -> None:
    before = threads()
    with StateServer(tmp_path / "s.db", port=0) as server, InngestStore(server.url) as store:
        store.save(X)
    assert left_since(before) == []
    server.close()


def test_a_server_that_was_started_can_be_entered_and_ends_with_the_block(tmp_path: Path) -> None:
    before = threads()
    with StateServer(tmp_path / "s.db", port=0).start() as server:
        with InngestStore(server.url) as store:
            store.save(X)
    assert left_since(before) == []


def test_a_server_that_runs_is_not_started_again(tmp_path: Path) -> None:
    before = threads()
    with StateServer(tmp_path / "s.db", port=0) as server:
        for again in (server.start, server.run):
            with pytest.raises(ServerStartError, match="already running"):
                again()
        with InngestStore(server.url) as store:
            store.save(X)
    assert left_since(before) == []
    with server, InngestStore(server.url) as store:  # once it is closed it may
        assert store.load("x") == X


def test_ipv6_is_a_host_too(tmp_path: Path) -> None:
    with StateServer(tmp_path / "s.db", host="::1", port=0, event_key="k") as server:
        with InngestStore(server.url, "k") as store:
            store.save(X)
            assert store.load("x") == X


def test_two_servers_on_one_file_see_each_others_states(tmp_path: Path) -> None:
    with local(tmp_path / "s.db") as one, local(tmp_path / "s.db") as other:
        with ThreadPoolExecutor(8) as pool:
            stores = [one, other] * 40
            list(pool.map(lambda n: stores[n].save(X.replace(workflow_id=str(n))), range(80)))
        assert one.refresh() == other.refresh() == 80
        assert one.list() == other.list()


def test_a_local_store_begins_with_what_the_file_holds(tmp_path: Path) -> None:
    with local(tmp_path / "s.db") as store:
        for number in range(1005):
            store.save(X.replace(workflow_id=str(number)))
    with local(tmp_path / "s.db") as store:
        assert len(store.list()) == 1000


def test_a_local_store_is_closed_to_others_and_takes_a_key(tmp_path: Path) -> None:
    with local(tmp_path / "s.db") as store, InngestStore(store.base_url) as stranger:
        with pytest.raises(StoreStatusError, match="401"):
            stranger.load("x")
    with local(tmp_path / "s.db", event_key="mine") as store:
        with InngestStore(store.base_url, "mine") as friend:
            friend.save(X)
        assert store.load("x") == X
        assert "mine" not in repr(store)


def test_a_forgotten_local_store_ends_its_server(tmp_path: Path) -> None:
    before = threads()
    store = local(tmp_path / "s.db")
    (thread,) = [t for t in threads() - before if t.name == "inngest-nb-server"]
    store.save(X)
    del store
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_an_unclosed_local_store_hinders_no_exit_and_warns_nobody(tmp_path: Path) -> None:
    program = (
        "import sys, inngest_nb as inb\n"
        "store = inb.local(sys.argv[1])\n"
        "store.save(inb.WorkflowState(workflow_id='x'))\n"
        "other = inb.local(sys.argv[1])\n"
        "print(len(other.list()))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path / "s.db")],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("1\n", "", 0)
