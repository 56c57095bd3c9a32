"""How an operation is driven: by a client that waits, or by one to await.

An operation is a generator that yields requests and receives responses. What cannot be sent or
breaks off is thrown into it, so that rules about repeats are its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, NamedTuple, TypeVar

import httpx

from inngest_nb.store.http.calls.direct import (
    TRANSPORT_ERRORS,
    AsyncDirectClient,
    DirectClient,
    DirectResponse,
)
from inngest_nb.store.http.calls.streams import Deadline

T = TypeVar("T")
R = TypeVar("R")


class Response(NamedTuple):
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ConnectionDroppedError(Exception):
    """Thrown into an operation by its driver: the connection broke before the response ended."""


def resume(operation: Generator[R, Response, Any], answer: Response | Exception | None) -> R:
    """Take an operation to its next request; `StopIteration` carries its result."""
    if answer is None:
        return next(operation)
    if isinstance(answer, Exception):
        return operation.throw(answer)
    return operation.send(answer)


def drive(
    operation: Generator[R, Response, T],
    send: Callable[[R], Response],
    failed: Callable[[Exception, R], Response | Exception | None],
) -> T:
    """Run an operation to its end; `failed` words what a transport raised."""
    answer: Response | Exception | None = None
    while True:
        try:
            request = resume(operation, answer)
        except StopIteration as done:
            result: T = done.value
            return result
        try:
            answer = send(request)
        except TRANSPORT_ERRORS as error:
            answer = failed(error, request)


async def drive_async(
    operation: Generator[R, Response, T],
    send: Callable[[R], Awaitable[Response]],
    failed: Callable[[Exception, R], Response | Exception | None],
) -> T:
    """Do the same with a client to await."""
    answer: Response | Exception | None = None
    while True:
        try:
            request = resume(operation, answer)
        except StopIteration as done:
            result: T = done.value
            return result
        try:
            answer = await send(request)
        except TRANSPORT_ERRORS as error:
            answer = failed(error, request)


def receive(
    client: httpx.Client | DirectClient,
    built: Any,
    auth: Any,
    deadline: Deadline,
    check_size: Callable[[int], None],
) -> Response:
    """Send a request and read its answer whole, in time and up to a size."""
    with deadline:
        response = client.send(built, stream=True, auth=auth, follow_redirects=False)
    try:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            check_size(len(body))
            deadline.check(len(body))
        return _response(response, bytes(body))
    finally:
        response.close()


async def receive_async(
    client: httpx.AsyncClient | AsyncDirectClient,
    built: Any,
    auth: Any,
    deadline: Deadline,
    check_size: Callable[[int], None],
) -> Response:
    """Do the same with a client to await."""
    try:
        async with asyncio.timeout(deadline.left()):
            response = await client.send(built, stream=True, auth=auth, follow_redirects=False)
    except TimeoutError as error:
        raise httpx.ReadTimeout("the response took too long") from error
    try:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            check_size(len(body))
            deadline.check(len(body))
        return _response(response, bytes(body))
    finally:
        await response.aclose()


def _response(response: httpx.Response | DirectResponse, body: bytes) -> Response:
    raw = response.raw_headers if isinstance(response, DirectResponse) else response.headers.raw
    # A plain dict: httpx's own headers are slow to look things up in.
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in raw}
    return Response(response.status_code, headers, body)
