"""How deep documents may nest, and reading them wherever the caller's own stack stands."""

from __future__ import annotations

import _thread
import re
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

# How deep a payload may nest. Pythons differ in what they can read, 3.11 ends at about 985.
MAX_DEPTH = 500
# A payload lies in an event, in the history, in the document.
DOCUMENT_DEPTH = MAX_DEPTH + 3

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))
_STRING = re.compile(rb'"[^"]*"')
_FOLDS = 8


def is_deeper(text: bytes, most: int) -> bool:
    """Tell whether JSON nests deeper than so many levels, without reading it."""
    if len(text) < 2 * most:
        return False
    if len(text) < 2**16 and text.count(b"[") + text.count(b"{") <= most:
        return False
    if b"\\" in text:  # no quote that is left then is part of a string
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = text.translate(_BRACKETS, _OTHERS).replace(b'""', b"")
    if b'"' in brackets:  # some strings have brackets in them
        brackets = _STRING.sub(b"", brackets)
    level = 0
    while level < _FOLDS and brackets:  # the innermost ones fall away; most documents have few
        if level + len(brackets) // 2 <= most:
            return False
        brackets = brackets.replace(b"[]", b"")
        level += 1
    if level > most:
        return True
    for bracket in brackets:
        level += 92 - bracket  # [ is 91, ] is 93
        if level > most:
            return True
    return False


def flat(work: Callable[..., Result], *given: object) -> Result:
    """Call a function; where the caller's stack leaves it no room, in a thread with one of its own.

    Raises `RecursionError` for what has no room there either.
    """
    try:
        return work(*given)
    except RecursionError as error:
        full = error
    results: list[Result] = []
    errors: list[BaseException] = []
    done = _thread.allocate_lock()
    done.acquire()

    def call() -> None:
        try:
            results.append(work(*given))
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            errors.append(error)
        finally:
            done.release()

    try:
        # Not `threading.Thread`: starting one takes more of the stack than may be left.
        _thread.start_new_thread(call, ())
    except RuntimeError:  # no thread is to be had
        raise full from None
    done.acquire()
    if errors:
        raise errors[0]
    return results[0]
