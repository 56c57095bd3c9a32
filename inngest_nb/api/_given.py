"""The client that a caller passed in."""

from __future__ import annotations

from inngest_nb.api._async_client import AsyncInngestAPI
from inngest_nb.api._client import InngestAPI


def check_api(api: object) -> InngestAPI:
    """Return the client that was passed in, unless it is one that has to be awaited."""
    if isinstance(api, InngestAPI):
        return api
    also = ", not the async client" * isinstance(api, AsyncInngestAPI)
    raise TypeError(
        f"api must be an InngestAPI{also}, such as inb.InngestAPI('http://localhost:8288'), "
        f"got {type(api).__name__}"
    )
