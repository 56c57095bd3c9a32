"""Which workflow ids are valid, and how they are encoded in a path."""

from __future__ import annotations

from urllib.parse import quote

MAX_ID_BYTES = 4096


def check_id(workflow_id: str) -> str:
    """Return the id, or raise `ValueError` if it cannot be part of a URL's path.

    Clients and servers remove `.` and `..` from a path.
    """
    if not isinstance(workflow_id, str):
        raise TypeError(f"a workflow id must be a string, got {type(workflow_id).__name__}")
    if workflow_id in ("", ".", ".."):
        raise ValueError(
            f"{workflow_id!r} is not a valid workflow id, because it would be lost in a URL's path"
        )
    try:
        length = len(workflow_id.encode())
    except UnicodeEncodeError as error:
        raise ValueError(
            "a workflow id must not contain unpaired surrogates, which cannot be sent"
        ) from error
    if length > MAX_ID_BYTES:
        raise ValueError(
            f"a workflow id must have at most {MAX_ID_BYTES:,} bytes, this one has {length:,}"
        )
    # The plain string of an enum member or a NumPy string.
    return workflow_id if type(workflow_id) is str else str.__str__(workflow_id)


def path_of(workflow_id: str) -> str:
    """Return the path of a workflow, with all but RFC 3986's unreserved characters encoded."""
    return "/v1/workflows/" + quote(check_id(workflow_id), safe="")
