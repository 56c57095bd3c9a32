"""Messages from other processes: a thread receives them and delivers them to the runs here."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from inngest_nb import wire
from inngest_nb.engine.basics._functions import describe
from inngest_nb.store import Message, SharedStore

SIGNAL, CANCEL, TAKEN_OVER = "signal", "cancel", "taken_over"
QUERY, ANSWER = "query", "answer"
_WAKE = "wake"  # sent to itself, to end a thread that is waiting for messages
_WAIT_SECONDS = 10.0
_PAUSE_SECONDS = 0.5
_ANSWER_SECONDS = 2.0

_log = logging.getLogger("inngest_nb.engine")


def message_to(workflow_id: str, kind: str, **content: Any) -> Message:
    """Return a message for the executor that runs a workflow."""
    return Message(uuid.uuid4().hex, workflow_id, kind, wire.encode_json(content))


class Mailbox:
    """Receives messages to runs, in order, as long as the executor is open.

    `deliver` is called with each message and its content; it must not raise because of the content.
    Messages to runs of other processes are skipped; they are read when a run is resumed.
    """

    def __init__(self, store: SharedStore, deliver: Callable[[Message, Any], None]) -> None:
        self._store = store
        self._deliver = deliver
        self._address = uuid.uuid4().hex
        self._after = 0
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._delivering = threading.Lock()
        self._taken: list[str] = []
        self._catching_up: dict[str, None] = {}

    def start(self) -> None:
        """Start receiving. Calling it again does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="inngest-nb-messages", daemon=True
            )
            self._thread.start()

    def deliver_pending(self, workflow_ids: Sequence[str]) -> None:
        """Deliver what was sent to resumed runs while no executor ran them, then new messages.

        If the store does not answer, this is retried later.
        """
        with self._lock:
            self._catching_up |= dict.fromkeys(workflow_ids)
        try:
            self._catch_up()
        except Exception as error:  # noqa: BLE001  # the run goes on, and hears of them later
            text = describe(error)
            _log.info("messages to resumed runs could not be read; retrying: %s", text)

    def _catch_up(self) -> None:
        with self._delivering:  # newer messages must not overtake these
            with self._lock:
                ids = list(self._catching_up)
            if not ids:
                return
            to = ids[0] if len(ids) == 1 else None
            after, wanted = 0, set(ids)
            while messages := self._store.receive(after, to):
                for message in messages:
                    if message.to in wanted:
                        self._hand_over(message)
                after = messages[-1].number
            with self._lock:
                for workflow_id in ids:
                    self._catching_up.pop(workflow_id, None)

    def taken(self, message_id: str) -> None:
        """Note that the effect of a message is saved, so that the store can delete the message."""
        with self._lock:
            self._taken.append(message_id)

    def discard(self) -> None:
        """Delete handled messages from the store; if that fails, it is retried later."""
        with self._lock:
            ids, self._taken = self._taken, []
        if not ids:
            return
        try:
            self._store.discard(ids)
        except Exception as error:  # noqa: BLE001  # nobody waits for it
            _log.info("handled messages could not be deleted; retrying: %s", describe(error))
            with self._lock:
                self._taken = ids + self._taken

    def close(self, grace: float) -> None:
        """Stop receiving, and wait up to `grace` seconds for the thread to end."""
        if self._closed.is_set():
            return
        self._closed.set()
        self.discard()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        wake = message_to(self._address, _WAKE)
        try:
            self._store.send(wake)
            thread.join(grace)
            self._store.discard([wake.id])
        except Exception as error:  # noqa: BLE001  # the executor is closed anyway
            text = describe(error)
            _log.info("the store does not answer; the message thread will end later: %s", text)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._catch_up()
                self._receive()
                self.discard()
            except BaseException as error:  # noqa: BLE001  # the thread must survive any error
                _log.info("messages could not be received; retrying: %s", describe(error))
                self._closed.wait(_PAUSE_SECONDS)

    def _receive(self) -> None:
        for message in self._store.receive(self._after, wait=_WAIT_SECONDS):
            if self._closed.is_set():
                return
            with self._delivering:
                self._after = message.number
                if message.to not in self._catching_up:
                    self._hand_over(message)

    def _hand_over(self, message: Message) -> None:
        try:
            self._deliver(message, wire.decode_json(message.payload))
        except Exception:  # noqa: BLE001  # must not affect other messages
            _log.exception("a message to workflow %r could not be delivered", message.to)


def ask(store: SharedStore, workflow_id: str, what: str) -> Any:
    """Query the executor that runs a workflow; None if it does not answer in time."""
    query = message_to(workflow_id, QUERY, what=what)
    store.send(query)
    answers = store.receive(to=query.id, wait=_ANSWER_SECONDS)
    store.discard([query.id, *(answer.id for answer in answers)])
    return wire.decode_json(answers[0].payload).get("answer") if answers else None
