"""The transport over HTTP serve: an executor request is a POST to the address of the app."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx
from inngest._internal import transforms
from inngest_engine_transport import Answer, WorkerLostError


class HttpServe:
    """Calls the worker at an address, which may be several processes on one port."""

    def __init__(self, url: str, signing_key: str | None = None) -> None:
        self.url = urlunsplit((*urlsplit(url)[:3], "", ""))
        self._key = signing_key
        # A step may take as long as it takes; each request has a connection of its own, so that
        # one that the worker closes is not mistaken for a worker that dies.
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=10))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HttpServe) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    async def call(self, function: str, step: str, body: dict[str, Any]) -> Answer:
        """Send the request; a connection that fails or breaks is a lost worker."""
        content = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {
            "user-agent": "Inngest",
            "content-type": "application/json",
            "connection": "close",
            "x-inngest-req-version": str(body["version"]),
            "x-request-id": body["ctx"]["request_id"],
            "x-run-id": body["ctx"]["run_id"],
        }
        if self._key is not None:
            headers["x-inngest-signature"] = signature(content, self._key)
        url = f"{self.url}?{urlencode({'fnId': function, 'stepId': step})}"
        try:
            said = await self._client.post(url, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise WorkerLostError("Unable to reach SDK URL") from error
        try:
            answered = said.json()
        except ValueError:
            answered = said.text
        return Answer(said.status_code, dict(said.headers), answered)

    async def close(self) -> None:
        await self._client.aclose()


def signature(content: bytes, signing_key: str) -> str:
    """Sign a body in its canonical form as the server does: with the key's hex part as text."""
    now = int(time.time())
    key = signing_key.rpartition("-")[2].encode()
    signed = transforms.canonicalize(content)
    assert isinstance(signed, bytes), signed
    mac = hmac.new(key, signed + str(now).encode(), hashlib.sha256)
    return f"t={now}&s={mac.hexdigest()}"
