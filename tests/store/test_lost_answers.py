"""The server has written, but the answer is lost: repeating that is harmless, and no more."""

from __future__ import annotations

import pytest
from appended_parts import done, part, refused, whole
from forgetful_proxy import forgetful_proxy

from inngest_nb import InngestStore, StateServer, Write
from inngest_nb.errors import StoreConflictError, StoreConnectionError


@pytest.mark.parametrize(
    ("writes", "line"),
    [
        ([whole("x", "e1", "e0", error="new")], b"PUT /v1/workflows/x "),
        ([whole("x", "e1", error="new")], b"PUT /v1/workflows/x "),
        ([part("x", [1], "e1", "e0", error="new")], b"POST /v1/workflows/x/history "),
        ([part("x", [1], "", "e0", error="new")], b"POST /v1/workflows/x/history "),
        ([part("x", [1], error="new")], b"POST /v1/workflows/x/history "),
        ([whole("y", "f0", ""), part("x", [1], error="new")], b"POST /v1/workflows "),
        (
            [part("x", [1]), whole("y", "f0", ""), part("x", [2], "e2", error="new")],
            b"POST /v1/workflows ",
        ),
    ],
)
def test_one_lost_answer_is_not_noticed(
    state_server: StateServer, writes: list[Write], line: bytes
) -> None:
    with forgetful_proxy(state_server.url) as proxy, InngestStore(proxy.url) as store:
        done(store, whole("x", "e0", "", error="old"))
        proxy.losses = 1
        done(store, *writes)
        assert [lost.startswith(line) for lost in proxy.lost] == [True]
        state = store.load("x")
        assert state is not None
        assert state.error == "new"
        assert [e.id for e in state.history] == [1, 2][
            : sum(not w.whole and w.workflow_id == "x" for w in writes)
        ]


def test_when_every_answer_is_lost_the_writer_can_repeat_it_later(
    state_server: StateServer,
) -> None:
    with forgetful_proxy(state_server.url) as proxy, InngestStore(proxy.url) as store:
        done(store, whole("x", "e0", ""))
        proxy.losses = 2
        write = part("x", [1], "e1", "e0")
        (error,) = store.append_history([write])
        assert isinstance(error, StoreConnectionError)
        done(store, write)
        state = store.load("x")
        assert state is not None
        assert [event.id for event in state.history] == [1]


def test_a_repeat_does_not_undo_what_someone_else_wrote_meanwhile(
    state_server: StateServer,
) -> None:
    """F8: a late old write does not overwrite a newer one."""
    with (
        forgetful_proxy(state_server.url) as proxy,
        InngestStore(proxy.url) as late,
        InngestStore(state_server.url) as other,
    ):
        done(late, whole("x", "e0", ""))
        proxy.losses = 2
        write = whole("x", "e1", "e0", error="late")
        (error,) = late.append_history([write])
        assert isinstance(error, StoreConnectionError)
        done(other, whole("x", "e2", "e1", error="newer"))
        assert isinstance(refused(late, write), StoreConflictError)
        state = other.load("x")
        assert state is not None
        assert state.error == "newer"
