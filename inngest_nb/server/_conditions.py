"""The conditions of a request: ETag, If-Match and If-None-Match, as in RFC 9110."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from inngest_nb.server._guard import Refused
from inngest_nb.store.writes import ANY, check_etag, is_etag, new_etag

_TAG = re.compile(r'[ \t,]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,[ \t,]*|$)')


class _Tags(NamedTuple):
    """The tags in a header: anything (`*`), or the opaque parts of strong and weak tags."""

    anything: bool
    strong: frozenset[str]
    weak: frozenset[str]

    def match(self, etag: str | None, *, weakly: bool) -> bool:
        """Tell whether the stored etag (None: nothing is stored) is one of these."""
        if self.anything or etag is None:
            return self.anything and etag is not None
        return etag in self.strong or (weakly and etag in self.weak)


def chosen_etag(fields: Mapping[str, str], key: str) -> str:
    """Return the etag that the client chose for the new version, else the key, else a new one.

    In a request, `ETag` describes the request's body, as it does in a response.
    """
    return _name(fields, "ETag") or key or new_etag()


def key_of(fields: Mapping[str, str]) -> str:
    """Return the request's idempotency key, "" if it has none."""
    return _name(fields, "Idempotency-Key")


def _name(fields: Mapping[str, str], header: str) -> str:
    name = fields.get(header.lower(), "").strip()
    if not name:
        return ""
    quoted = len(name) > 1 and name[0] == name[-1] == '"'
    try:
        return check_etag(name[1:-1] if quoted else name)
    except ValueError as error:
        raise Refused(400, f"invalid {header}: {error}") from error


def condition(
    fields: Mapping[str, str], chosen: str, stored: Callable[[], str | None]
) -> str | None:
    """Translate If-Match and If-None-Match to the `if_match` of a write.

    What `if_match` cannot express, such as a list of tags, is checked against the `stored` etag
    here; the write then requires that version.
    """
    match, none_match = _tags(fields, "If-Match"), _tags(fields, "If-None-Match")
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
        return chosen  # a repeat of a write whose response was lost
    if match is not None and not match.match(etag, weakly=False):
        raise Refused(412, "the stored version is not one of If-Match; load the workflow again")
    if none_match is not None and none_match.match(etag, weakly=True):
        raise Refused(412, "the stored version is one of If-None-Match")
    return etag or ""


def is_known(fields: Mapping[str, str], etag: str) -> bool:
    """Tell whether the client already has this version."""
    tags = _tags(fields, "If-None-Match")
    return tags is not None and tags.match(etag, weakly=True)


def etag_header(etag: str) -> dict[str, str]:
    """Return the header with the version."""
    return {"ETag": f'"{etag}"'}


def _tags(fields: Mapping[str, str], name: str) -> _Tags | None:
    text = fields.get(name.lower())
    if text is None:
        return None
    text = text.strip()
    if text == ANY:
        return _Tags(True, frozenset(), frozenset())
    strong, weak = set[str](), set[str]()
    place = 0
    while place < len(text) and (tag := _TAG.match(text, place)):
        (weak if tag[1] else strong).add(tag[2])
        place = tag.end()
    if place < len(text) or not text:
        raise Refused(400, f'{name} must be * or etags in quotes, as in {name}: "x3Fk"')
    return _Tags(False, frozenset(strong), frozenset(weak))
