"""A request as its handlers read it."""

from __future__ import annotations

import starlette.requests
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope


class Request(starlette.requests.Request):
    """A request with its header fields in a dict: a handler asks for many, and most are missing.

    Names are in lower case. The values of a field that is repeated are joined, as in RFC 9110.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        raw = scope["headers"]
        self.fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
        if len(self.fields) < len(raw):
            for name in self.fields:
                values = [value for other, value in raw if other == name.encode("latin-1")]
                self.fields[name] = b", ".join(values).decode("latin-1")

    async def read(self, most: int) -> bytes | None:
        """Return the body, or None if it is longer than `most` bytes: the rest is not read then."""
        announced = self.fields.get("content-length", "")
        if announced.isdecimal() and int(announced) > most:
            return None
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            more = size <= most and message.get("more_body", False)
        return b"".join(chunks) if size <= most else None
