"""What the clients over HTTP share: everything but sending.

Configuration, the building of requests, the words for what goes wrong, and each verb with its
effect on what the client has at hand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx

from inngest_nb.errors import StoreConnectionError, StoreDecodeError, StoreError
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store import _operations
from inngest_nb.store._cache import Cache
from inngest_nb.store._config import (
    check_carriage,
    is_loopback,
    resolve_base_url,
    resolve_key,
)
from inngest_nb.store._operations import (
    ConnectionDroppedError,
    Operation,
    Request,
    Response,
)
from inngest_nb.store._table import check_limit, row_of, state_of, status_text

_TIMEOUT_SECONDS = 10.0
_BODY_BYTES = 256 * 2**20


class HttpStore:
    """A client without its driver; each `_verb` is an operation for one to run."""

    def __init__(
        self,
        base_url: str | None,
        event_key: str | None,
        timeout: float | None,
        *,
        own_client: bool,
        allow_insecure: bool,
    ) -> None:
        self.base_url = resolve_base_url(base_url)
        self._key = resolve_key(event_key)
        check_carriage(self.base_url, self._key, allow_insecure=allow_insecure)
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout is a number of seconds above 0, got {timeout!r}")
        # None leaves the choice to the client that the user gave.
        self._timeout = _TIMEOUT_SECONDS if timeout is None and own_client else timeout
        self._own_client = own_client
        self._cache = Cache()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r}, event_key={self._key!r})"

    @property
    def _local(self) -> bool:
        """Whether the server is on this machine, where a proxy has no business."""
        return is_loopback(httpx.URL(self.base_url).host)

    def _request(self, request: Request, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        headers = self._key.headers() if request.keyed else {}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        timeout = httpx.Timeout(self._timeout) if self._timeout is not None else client.timeout
        if self._own_client:
            # Not `build_request`: merging with a client's defaults costs as much as the rest.
            return httpx.Request(
                request.method,
                request.url,
                headers=headers,
                content=request.body,
                extensions={"timeout": timeout.as_dict()},
            )
        built = client.build_request(
            request.method, request.url, headers=headers, content=request.body, timeout=timeout
        )
        if not request.keyed:
            built.headers.pop("Authorization", None)  # a user's default is a key too
        return built

    @contextlib.contextmanager
    def _words_for(self, request: Request) -> Iterator[None]:
        """Turn the transport's errors into ours; a dropped connection goes to the operation."""
        try:
            yield
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
            why = self._key.hidden(str(error)) or "the connection broke off"
            raise ConnectionDroppedError(why) from error
        except httpx.TimeoutException as error:
            raise self._unanswered(
                request, "it took too long", "give a longer timeout= if the server is slow"
            ) from error
        except httpx.ConnectError as error:
            raise self._unanswered(
                request,
                "nothing accepts connections there",
                "start `inngest-nb serve`, or inb.local() in a notebook; or check base_url and "
                "INNGEST_BASE_URL",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unanswered(request, self._key.hidden(str(error)), None) from error
        except RuntimeError as error:  # what httpx says of a closed client
            raise StoreError(
                f"inngest/{request.operation}: {self._key.hidden(str(error))}",
                operation=request.operation,
                workflow_id=request.workflow_id,
                target=self.base_url,
                hint="make a new store; this one was closed",
            ) from error

    def _unanswered(self, request: Request, why: str, hint: str | None) -> StoreConnectionError:
        return StoreConnectionError(
            f"inngest/{request.operation}: no answer from {self.base_url}: {why}",
            operation=request.operation,
            workflow_id=request.workflow_id,
            target=self.base_url,
            hint=hint,
        )

    def _response(self, response: httpx.Response, body: bytes) -> Response:
        if response.status_code >= 400:  # shown to people; elsewhere a body stays as it is
            body = self._key.hidden(body.decode(errors="replace")).encode()
        return Response(response.status_code, response.headers, body)

    def _save(self, state: WorkflowState) -> Operation[None]:
        row = row_of(state, None)
        yield from _operations.save(self.base_url, row.workflow_id, row.document)
        self._cache.put(row)

    def _load(self, workflow_id: str) -> Operation[WorkflowState | None]:
        row = yield from _operations.load(self.base_url, workflow_id)
        return state_of(row) if row else None

    def _delete(self, workflow_id: str) -> Operation[None]:
        yield from _operations.delete(self.base_url, workflow_id)
        self._cache.forget(workflow_id)

    def _fetch(
        self, status: WorkflowStatus | str | None, limit: int
    ) -> Operation[list[WorkflowState]]:
        rows = yield from _operations.fetch(self.base_url, status_text(status), check_limit(limit))
        return [state_of(row) for row in rows]

    def _refresh(self, status: WorkflowStatus | str | None, limit: int) -> Operation[int]:
        since = self._cache.now()
        rows = yield from _operations.fetch(self.base_url, status_text(status), check_limit(limit))
        self._cache.fill(rows, since, replace=status is None and not limit)
        return len(rows)

    def _list(self, status: WorkflowStatus | str | None, limit: int) -> list[WorkflowState]:
        return [state_of(row) for row in self._cache.rows(status_text(status), check_limit(limit))]


def is_small(response: httpx.Response) -> bool:
    """Tell whether a body announces a length within bounds, so that it may be read at once."""
    length = response.headers.get("content-length", "")
    plain = "content-encoding" not in response.headers
    return plain and length.isdecimal() and int(length) <= _BODY_BYTES


def check_size(size: int, request: Request) -> None:
    """Stop reading an answer that has no end."""
    if size > _BODY_BYTES:
        raise StoreDecodeError(
            f"inngest/{request.operation}: the answer is longer than {_BODY_BYTES >> 20} MiB",
            operation=request.operation,
            workflow_id=request.workflow_id,
        )
