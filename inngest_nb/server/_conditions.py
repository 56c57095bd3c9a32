"""Which version a request is about: ETag, If-Match and If-None-Match, as RFC 9110 has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from starlette.datastructures import Headers

from inngest_nb.server._guard import Refused
from inngest_nb.store.writes import ANY, check_etag, is_etag, new_etag

_TAG = re.compile(r'[ \t,]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,[ \t,]*|$)')


class _Tags(NamedTuple):
    """What a header lists: anything (`*`), or the opaque part of each tag. Weak ones are apart."""

    anything: bool
    strong: frozenset[str]
    weak: frozenset[str]

    def match(self, etag: str | None, *, weakly: bool) -> bool:
        """Tell whether the stored etag (None: nothing is stored) is among these."""
        if self.anything or etag is None:
            return self.anything and etag is not None
        return etag in self.strong or (weakly and etag in self.weak)


def chosen_etag(headers: Headers) -> str:
    """Give the name that the writer chose for the new version, or a fresh one.

    `ETag` speaks of what a request brings as it does of what a response brings.
    """
    return _name(headers, "ETag") or key_of(headers) or new_etag()


def key_of(headers: Headers) -> str:
    """Give the name under which a request is to be remembered, empty where it has none."""
    return _name(headers, "Idempotency-Key")


def _name(headers: Headers, header: str) -> str:
    name = headers.get(header, "").strip()
    if not name:
        return ""
    quoted = len(name) > 1 and name[0] == name[-1] == '"'
    try:
        return check_etag(name[1:-1] if quoted else name)
    except ValueError as error:
        raise Refused(400, f"{header} names what is done: {error}") from error


def condition(headers: Headers, chosen: str, stored: Callable[[], str | None]) -> str | None:
    """Put If-Match and If-None-Match into the `if_match` of a write.

    A list of tags, and whatever else a write has no words for, is judged by the etag that is
    `stored`; the write is then for that version only.
    """
    match, none_match = _tags(headers, "If-Match"), _tags(headers, "If-None-Match")
    if match is None and none_match is None:
        return None
    if none_match is None and match is not None:
        if match.anything:
            return ANY
        if len(match.strong) == 1 and is_etag(tag := next(iter(match.strong))):
            return tag
    if match is None and none_match is not None and none_match.anything:
        return ""
    etag = stored()
    if etag == chosen:
        return chosen  # it was written before, and the answer was lost
    if match is not None and not match.match(etag, weakly=False):
        raise Refused(412, "not stored in a version that If-Match names; get it again")
    if none_match is not None and none_match.match(etag, weakly=True):
        raise Refused(412, "stored in a version that If-None-Match excludes")
    return etag or ""


def is_known(headers: Headers, etag: str) -> bool:
    """Tell whether a reader has this version already."""
    tags = _tags(headers, "If-None-Match")
    return tags is not None and tags.match(etag, weakly=True)


def etag_header(etag: str) -> dict[str, str]:
    """Give the header that tells the version."""
    return {"ETag": f'"{etag}"'}


def _tags(headers: Headers, name: str) -> _Tags | None:
    lines = headers.getlist(name)
    if not lines:
        return None
    text = ", ".join(lines).strip()
    if text == ANY:
        return _Tags(True, frozenset(), frozenset())
    strong, weak = set[str](), set[str]()
    place = 0
    while place < len(text) and (tag := _TAG.match(text, place)):
        (weak if tag[1] else strong).add(tag[2])
        place = tag.end()
    if place < len(text) or not text:
        raise Refused(400, f'{name} is * or etags in quotes, as in {name}: "x3Fk"')
    return _Tags(False, frozenset(strong), frozenset(weak))
