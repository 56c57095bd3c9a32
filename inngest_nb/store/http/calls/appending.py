"""Writes that our state server supports beyond the contract: partial, conditional, batches.

Written once for all clients, like the contract's operations. Every write names the version that it
creates, so it can be repeated safely.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from inngest_nb.errors import (
    PayloadTooLargeError,
    StoreDecodeError,
    StoreError,
    StoreKeyReusedError,
    StoreStatusError,
)
from inngest_nb.store.http.calls.operations import (
    LIST_PATH,
    Header,
    Operation,
    Request,
    conditions,
    conflict_said,
    exchange,
    key,
    target_of,
)
from inngest_nb.store.ids import path_of
from inngest_nb.store.writes import MAX_BODY_BYTES, Outcome, Write

# Half of the server's limit, because the rest of the request needs space, too.
_BATCH_BYTES = 8 * 2**20


class BatchItem(msgspec.Struct):
    """One write of a batch."""

    id: str
    document: msgspec.Raw
    whole: bool
    etag: str = ""
    if_match: str | None = None


class BatchOutcome(msgspec.Struct):
    """The error of a write in a batch."""

    status: int
    error: str


class BatchOutcomes(msgspec.Struct):
    """The response to a batch: for each write its error, or null."""

    outcomes: list[BatchOutcome | None]


_encode = msgspec.json.Encoder().encode
batch_of = msgspec.json.Decoder(list[BatchItem]).decode
_outcomes_of = msgspec.json.Decoder(BatchOutcomes).decode


def abilities(base: str) -> Operation[frozenset[str]]:
    """Ask a server for its extensions, "appends" and "shares"; a plain contract server has none."""
    try:
        response = yield from exchange(Request("append", "GET", f"{base}/health"))
    except StoreStatusError as error:
        if error.status == 429 or error.status >= 500:
            raise  # a temporary problem: ask again later
        return frozenset()
    try:
        health = msgspec.json.decode(response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return frozenset()
    if not isinstance(health, Mapping) or health.get("server") != "inngest-nb":
        return frozenset()
    return frozenset(name for name, able in health.items() if able is True)


def cannot_append(base: str) -> StoreError:
    """Return the error for a write that a plain contract server does not support."""
    return StoreError(
        "inngest/append: this server is a plain contract server and cannot append",
        operation="append",
        target=base,
        hint="save whole states, or use a state server that can append: `inngest-nb serve`",
    )


def write_all(base: str, writes: Sequence[Write]) -> Operation[list[Outcome]]:
    """Send checked writes, in one request if possible; return the outcome of each."""
    outcomes: list[Outcome] = []
    for batch in _batches(writes):
        if len(batch[0].document) > MAX_BODY_BYTES:  # such a write is alone in its batch
            outcomes.append(_too_large(base, batch[0]))
            continue
        try:
            if len(batch) == 1:
                yield from _write(base, batch[0])
                outcomes.append(None)
            else:
                outcomes += yield from _write_batch(base, batch)
        except StoreError as error:
            outcomes += [error] * len(batch)
    return outcomes


def _too_large(base: str, write: Write) -> PayloadTooLargeError:
    operation = "save" if write.whole else "append"
    return PayloadTooLargeError(
        f"inngest/{operation}: nothing was sent because the write has {len(write.document):,} "
        f"bytes; a state server accepts at most {MAX_BODY_BYTES:,} in one request",
        operation=operation,
        workflow_id=write.workflow_id,
        target=base,
        hint="store large data elsewhere, in a file or a bucket, and keep only its address here",
    )


def _batches(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Split writes into requests.

    No request contains a workflow twice: the stored etag only shows that the last write of a
    workflow was done, so a request with two of them could not be repeated safely.
    """
    batch: dict[str, Write] = {}
    size = 0
    for write in writes:
        size += len(write.document)
        if batch and (size > _BATCH_BYTES or write.workflow_id in batch):
            yield [*batch.values()]
            batch, size = {}, len(write.document)
        batch[write.workflow_id] = write
    if batch:
        yield [*batch.values()]


def _write(base: str, write: Write) -> Operation[None]:
    path = base + path_of(write.workflow_id)
    how = ("save", "PUT", path) if write.whole else ("append", "POST", f"{path}/history")
    headers = (_name(write), *conditions(write))
    request = Request(*how, write.document, write.workflow_id, headers=headers)
    try:
        yield from exchange(request)
    except StoreStatusError as error:
        raise _failure(error.status, error.reason, write, request) from error


def _name(write: Write) -> Header:
    """Return the header with the name of the version that a write creates."""
    return key(write) if write.for_any_version else ("ETag", f'"{write.etag}"')


def _write_batch(base: str, writes: Sequence[Write]) -> Operation[list[Outcome]]:
    body = _encode(
        [
            BatchItem(w.workflow_id, msgspec.Raw(w.document), w.whole, w.etag, w.if_match)
            for w in writes
        ]
    )
    request = Request("append", "POST", base + LIST_PATH, body)
    response = yield from exchange(request)
    try:
        outcomes = _outcomes_of(response.body).outcomes
    except (msgspec.MsgspecError, UnicodeDecodeError):
        outcomes = []
    if len(outcomes) != len(writes):
        raise StoreDecodeError(
            "inngest/append: the response does not have an outcome for each write; is this a "
            "state server?",
            operation="append",
            target=target_of(request),
        )
    return [
        None if one is None else _failure(one.status, one.error, write, request)
        for one, write in zip(outcomes, writes, strict=True)
    ]


def _failure(status: int, reason: str, write: Write, request: Request) -> StoreError:
    operation = "save" if write.whole else "append"
    if status == 412 or (status == 404 and not write.whole):
        one = request._replace(operation=operation, workflow_id=write.workflow_id)
        return conflict_said(one, reason)
    if status == 422:
        return StoreKeyReusedError(
            f"inngest/{operation}: {reason}",
            operation=operation,
            workflow_id=write.workflow_id,
            target=target_of(request),
        )
    return StoreStatusError(
        operation=operation,
        status=status,
        reason=reason,
        workflow_id=write.workflow_id,
        target=target_of(request),
    )
