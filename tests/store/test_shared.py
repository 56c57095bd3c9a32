"""What executors in several processes share through a store: leases, messages, changes.

Each test has two stores on the same states, as two processes have them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from appended_parts import done, event, part, whole
from blocking_store import Blocking
from msgspec import UNSET
from small_servers import plain_server

from inngest_nb import AsyncInngestStore, InngestStore, MemoryStore, SqliteStore, StateServer
from inngest_nb.errors import StoreError
from inngest_nb.store import Message, SharedStore

T = TypeVar("T")
Two = tuple[SharedStore, SharedStore]

# Longer than anything here should take, and the promise (0.2 s on a server, 0.5 s on a file) with
# what a busy machine adds.
LONG, SOON = 20.0, 3.0


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Two]:
    with MemoryStore() as store:
        yield store, store


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[Two]:
    path = folder / "states.db"
    with SqliteStore(path) as one, SqliteStore(path) as other:
        yield one, other


@contextlib.contextmanager
def http(folder: Path) -> Iterator[Two]:
    with (
        StateServer(folder / "states.db", port=0, event_key="key") as server,
        InngestStore(server.url, "key") as one,
        InngestStore(server.url, "key") as other,
    ):
        yield one, other


@contextlib.contextmanager
def http_beside_the_file(folder: Path) -> Iterator[Two]:
    path = folder / "states.db"
    with (
        StateServer(path, port=0) as server,
        InngestStore(server.url) as one,
        SqliteStore(path) as other,
    ):
        yield one, other


@contextlib.contextmanager
def http_async(folder: Path) -> Iterator[Two]:
    with StateServer(folder / "states.db", port=0) as server, InngestStore(server.url) as other:
        one: Any = Blocking(AsyncInngestStore(server.url))
        with contextlib.closing(one):
            yield one, other


@pytest.fixture(
    params=[memory, sqlite, http, http_beside_the_file, http_async], ids=lambda make: make.__name__
)
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Two]:
    with request.param(tmp_path) as stores:
        yield stores


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def message(number: int, to: str = "x") -> Message:
    return Message(f"m{number}", to, "signal", b'{"n":%d}' % number)


def late(pool: ThreadPoolExecutor, wait: Callable[[], T]) -> Future[tuple[T, float]]:
    """Begin to wait in a thread; what comes is paired with the moment at which it came."""
    begun = threading.Event()

    def run() -> tuple[T, float]:
        begun.set()
        return wait(), time.monotonic()

    future = pool.submit(run)
    assert begun.wait(LONG)
    with contextlib.suppress(TimeoutError):  # it waits indeed
        future.result(0.1)
        raise AssertionError("it did not wait")
    return future


def test_every_store_of_ours_can_share_and_a_plain_contract_server_cannot(two: Two) -> None:
    assert [store.can_share() for store in two] == [True, True]
    with plain_server() as server, InngestStore(server.url) as plain:
        assert plain.can_share() is False


def test_a_lease_is_seen_by_all_until_it_is_given_back(two: Two) -> None:
    one, other = two
    one.hold_lease("host.1/a b", 30)
    other.hold_lease("host.2", 5)
    one.hold_lease("host.2", 60)
    left = other.leases()
    assert {owner: round(seconds / 10) for owner, seconds in left.items()} == {
        "host.1/a b": 3,
        "host.2": 6,
    }
    other.hold_lease("host.1/a b", 0)
    other.hold_lease("never.held", 0)
    assert set(one.leases()) == {"host.2"}


def test_a_lease_that_is_not_renewed_ends_by_itself(two: Two) -> None:
    one, other = two
    one.hold_lease("short", 0.05)
    one.hold_lease("long", 30)
    deadline = time.monotonic() + LONG
    while "short" in other.leases():
        assert time.monotonic() < deadline
    assert set(other.leases()) == {"long"}


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e6])
def test_a_lease_that_is_none_is_refused(two: Two, seconds: float) -> None:
    for store in two:
        with pytest.raises(ValueError, match="lease"):
            store.hold_lease("owner", seconds)
    for owner in ("", ".", "..", "ü", "a\nb", "x" * 201):
        with pytest.raises(ValueError, match="owner"):
            two[0].hold_lease(owner, 1)
    assert two[1].leases() == {}


def test_messages_come_in_order_whole_and_only_behind_a_number(two: Two) -> None:
    one, other = two
    sent = [message(1), message(2, "y"), message(3, "a/b ü")]
    for each in sent:
        one.send(each)
    found = list(other.receive())
    assert [each._replace(number=0) for each in found] == sent
    numbers = [each.number for each in found]
    assert numbers == sorted(set(numbers))
    assert list(other.receive(numbers[0])) == found[1:]
    assert list(other.receive(to="a/b ü")) == found[2:]
    assert list(other.receive(numbers[2])) == list(other.receive(to="nobody")) == []


def test_a_message_sent_again_is_there_once_even_after_it_was_taken(two: Two) -> None:
    one, other = two
    one.send(message(1))
    one.send(message(1))
    (first,) = other.receive()
    other.discard([first.id, "unknown"])
    one.send(message(1))  # its answer was lost, and it was taken meanwhile
    assert list(other.receive()) == []
    one.send(message(2))
    (second,) = other.receive()
    assert second.number > first.number
    other.discard([])
    other.discard([second.id, second.id])
    assert list(one.receive()) == []


def test_so_many_messages_come_in_several_turns(two: Two) -> None:
    one, other = two
    big = b'"%s"' % (b"x" * 3_000_000)
    for number in range(5):
        one.send(Message(f"m{number}", "x", "signal", big))
    found: list[str] = []
    after, turns = 0, 0
    while some := other.receive(after):
        found += [each.id for each in some]
        after, turns = some[-1].number, turns + 1
    assert (found, turns) == ([f"m{number}" for number in range(5)], 2)


@pytest.mark.parametrize(
    "bad",
    [
        Message("", "x", "signal", b"1"),
        Message("m", "..", "signal", b"1"),
        Message("m", "x", "signäl", b"1"),
        Message("m", "x", "signal", b""),
        Message("m", "x", "signal", b"1 2"),
        Message("m", "x", "signal", b'"\xff"'),
        Message("m", "x", "signal", b"[" * 2000 + b"]" * 2000),
        Message("m", "x", "signal", b'"%s"' % (b"x" * 9_000_000)),
    ],
    ids=["no id", "no workflow", "kind", "nothing", "two values", "text", "deep", "long"],
)
def test_a_message_that_is_none_is_refused(two: Two, bad: Message) -> None:
    for store in two:
        with pytest.raises(ValueError, match="message|id"):
            store.send(bad)
    assert list(two[0].receive()) == []


def test_messages_die_with_their_workflow(two: Two) -> None:
    one, other = two
    done(one, whole("x", "e0"))
    one.send(message(1))
    one.send(message(2, "y"))
    other.delete("x")
    assert [each.id for each in one.receive()] == ["m2"]


def test_who_waits_for_a_message_gets_it_at_once(two: Two, pool: ThreadPoolExecutor) -> None:
    for reader, writer in (two, two[::-1]):
        after = max((each.number for each in reader.receive()), default=0)
        waiting = late(pool, lambda r=reader, a=after: r.receive(a, wait=LONG))  # type: ignore[misc]
        begin = time.monotonic()
        writer.send(message(after + 1))
        (found,), then = waiting.result(LONG)
        assert found.id == f"m{after + 1}"
        assert then - begin < SOON


def test_who_waits_for_a_change_hears_of_it_at_once(two: Two, pool: ThreadPoolExecutor) -> None:
    reader, writer = two
    done(writer, whole("x", "e0"))
    changes: list[tuple[str, Callable[[], object], str | None]] = [
        ("e0", lambda: done(writer, part("x", [1], "e1", "e0")), "e1"),
        ("e1", lambda: writer.delete("x"), None),
        ("", lambda: done(writer, whole("y", "z0")), "z0"),
    ]
    for known, change, expected in changes:
        name = "y" if expected == "z0" else "x"
        if not known:
            assert reader.watch(name, "", 0) is None
            continue
        waiting = late(pool, lambda k=known: reader.watch("x", k, LONG))  # type: ignore[misc]
        begin = time.monotonic()
        change()
        etag, then = waiting.result(LONG)
        assert etag == expected
        assert then - begin < SOON


def test_a_wait_ends_in_time_with_what_there_is(two: Two) -> None:
    one, other = two
    done(other, whole("x", "e0"))
    begin = time.monotonic()
    assert list(one.receive(wait=0.1)) == []
    assert one.watch("x", "e0", 0.1) == "e0"
    assert one.watch("x", "another", LONG) == "e0"
    assert 0.2 <= time.monotonic() - begin < LONG
    assert one.watch("nobody", "e0", LONG) is None


def test_many_who_wait_keep_nobody_from_saving(two: Two) -> None:
    one, other = two
    done(other, whole("x", "e0"))
    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(one.watch, "x", "e0", LONG) for _ in range(40)]
        done(one, whole("y", "f0"))
        assert one.load("y") is not None
        done(other, part("x", [1], "e1", "e0"))
        assert [each.result(LONG) for each in waiting] == ["e1"] * 40


def test_what_runs_by_its_state_and_not_by_a_lease_is_abandoned(two: Two) -> None:
    one, other = two
    held, lost = {"status": "running", "owner": "alive"}, {"status": "running", "owner": "dead"}
    one.hold_lease("alive", 60)
    done(
        one,
        whole("held", "a0", **held),
        whole("second", "b0", updated_at=event(2).timestamp, **lost),
        whole("first", "c0", updated_at=event(1).timestamp, **lost),
        whole("third", "d0", updated_at=event(3).timestamp, status="running"),
        whole("ended", "e0", status="completed", owner="dead"),
    )
    assert list(other.abandoned()) == ["first", "second", "third"]
    assert list(other.abandoned(1)) == ["first"]
    done(other, part("first", [], "c1", "c0", owner="alive"), part("held", [], "a1", "a0"))
    done(other, part("second", [], "b1", "b0", status="failed"))
    assert list(one.abandoned()) == ["third"]
    done(one, part("held", [], "a2", "a1", owner=UNSET, updated_at=event(4).timestamp))
    assert list(one.abandoned()) == ["third", "held"]
    one.hold_lease("alive", 0)
    assert set(other.abandoned()) == {"first", "third", "held"}


def test_an_owner_that_is_saved_with_a_whole_state_counts(two: Two) -> None:
    one, other = two
    done(one, whole("x", "e0", status="running", owner="alive"))
    other.hold_lease("alive", 60)
    state = other.load("x")
    assert state is not None
    one.save(state.replace(error="edited"))
    assert list(other.abandoned()) == []
    done(one, whole("x", status="running", owner="dead"))
    assert list(other.abandoned()) == ["x"]


@pytest.mark.parametrize("kind", [memory, sqlite])
def test_closing_a_store_ends_the_waits_on_it(
    kind: Callable[[Path], contextlib.AbstractContextManager[Two]],
    tmp_path: Path,
    pool: ThreadPoolExecutor,
) -> None:
    with kind(tmp_path) as (store, _):
        waiting = late(pool, lambda: store.receive(wait=LONG))
        begin = time.monotonic()
        store.close()
        with contextlib.suppress(StoreError):
            assert list(waiting.result(LONG)[0]) == []
        assert time.monotonic() - begin < LONG / 2


def test_closing_a_server_ends_the_waits_on_it(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    server = StateServer(tmp_path / "states.db", port=0).start()
    with server, InngestStore(server.url) as store:
        store.hold_lease("any", 1)
        waiting = late(pool, lambda: store.receive(wait=LONG))
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < LONG / 2
        with contextlib.suppress(StoreError):  # it asked again, of nobody
            waiting.result(LONG)
