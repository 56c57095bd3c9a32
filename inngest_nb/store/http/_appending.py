"""What our state server does beyond the contract's writes: parts, versions, batches.

Written once for every client, as the contract's operations are. A repeat is harmless, because
each write carries the name of the version that it makes.
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
from inngest_nb.store.http._operations import (
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

# Half of what the server takes, since the rest of the request needs room too.
_BATCH_BYTES = 8 * 2**20


class BatchItem(msgspec.Struct):
    """One write of a batch."""

    id: str
    document: msgspec.Raw
    whole: bool
    etag: str = ""
    if_match: str | None = None


class BatchOutcome(msgspec.Struct):
    """What went wrong with a write of a batch."""

    status: int
    error: str


class BatchOutcomes(msgspec.Struct):
    """The answer to a batch: for each write what went wrong with it, or null."""

    outcomes: list[BatchOutcome | None]


_encode = msgspec.json.Encoder().encode
batch_of = msgspec.json.Decoder(list[BatchItem]).decode
_outcomes_of = msgspec.json.Decoder(BatchOutcomes).decode


def abilities(base: str) -> Operation[frozenset[str]]:
    """Ask what a server can do beyond the contract: "appends", "shares"; a plain one nothing."""
    try:
        response = yield from exchange(Request("append", "GET", f"{base}/health"))
    except StoreStatusError as error:
        if error.status == 429 or error.status >= 500:
            raise  # in trouble: ask again later
        return frozenset()
    try:
        health = msgspec.json.decode(response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return frozenset()
    if not isinstance(health, Mapping) or health.get("server") != "inngest-nb":
        return frozenset()
    return frozenset(name for name, able in health.items() if able is True)


def cannot_append(base: str) -> StoreError:
    """Make the error for a write that a plain contract server would not understand."""
    return StoreError(
        "inngest/append: this server follows the plain contract and cannot append",
        operation="append",
        target=base,
        hint="save whole states there; `inngest-nb serve` runs a server that can append",
    )


def write_all(base: str, writes: Sequence[Write]) -> Operation[list[Outcome]]:
    """Do checked writes, in one request where that is possible; return what came of each."""
    outcomes: list[Outcome] = []
    for batch in _batches(writes):
        if len(batch[0].document) > MAX_BODY_BYTES:  # alone, as all that fill a request are
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
        f"inngest/{operation}: nothing was sent: the write has {len(write.document):,} bytes, and "
        f"a state server takes at most {MAX_BODY_BYTES:,} in one request",
        operation=operation,
        workflow_id=write.workflow_id,
        target=base,
        hint="keep large data elsewhere, a file or a bucket, and its address in the workflow",
    )


def _batches(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Cut writes into requests.

    None has a workflow twice: the stored etag tells that the last write of a workflow was done,
    but not the one before, so that repeating the request would not be harmless.
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
    """Give the header with the name of the version that a write makes."""
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
            "inngest/append: the answer does not say what came of each write",
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
