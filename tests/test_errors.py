"""Errors: each of them can be copied and pickled, with all that it says."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from inngest_nb import errors
from inngest_nb.errors import InngestNbError

KINDS = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type)
     and issubclass(kind, InngestNbError)),
    key=lambda kind: kind.__name__,
)  # fmt: skip
# Whatever a class asks for, by how its parameter is annotated.
VALUES = [("Iterable[int]", [3]), ("Iterable[str]", ["ü'\n"]), ("timedelta", timedelta(seconds=3)), ("int", 3), ("float", 1.5), ("str", "ü'\n"), ("bool", True)]  # fmt: skip


def made(kind: type[InngestNbError]) -> InngestNbError:
    """Make an error with a value of its own for every argument that its class takes."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in parameters(kind):
        annotation = str(parameter.annotation)
        value = next((value for word, value in VALUES if word in annotation), {"a": [1]})
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        elif parameter.name == "message" and "what failed" in positional:
            continue  # given by the class that passes on the rest
        elif parameter.name == "message":
            positional.append("what failed")
        elif parameter.name != "self" and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            positional.append(value)
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            positional.append("what failed")
    error = kind(*positional, **named)
    error.add_note("a note of its own")
    error.__cause__ = ValueError("why")
    return error


def parameters(kind: type) -> Iterator[inspect.Parameter]:
    """Yield what a class takes, and what it passes on to the one that it is made of."""
    own = [*inspect.signature(kind.__init__).parameters.values()]  # type: ignore[misc]
    yield from own
    if any(each.kind is each.VAR_KEYWORD and each.name != "kwargs" for each in own):
        yield from parameters(kind.__mro__[1])


def said(error: BaseException) -> Any:
    return type(error), str(error), error.args, vars(error), error.__suppress_context__


WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda error, protocol=protocol: pickle.loads(  # noqa: S301
            pickle.dumps(error, protocol)
        )
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=[*WAYS])


@EVERY_WAY
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_with_all_that_it_says(
    kind: type[InngestNbError], way: Callable[[Any], Any]
) -> None:
    error = made(kind)
    again = way(error)
    assert again is not error
    assert said(again) == said(error)
    assert again.__notes__[-1] == "a note of its own"
    assert type(again.__cause__) is ValueError
    assert str(again.__cause__) == "why"
    again.add_note("of the copy only")
    assert "of the copy only" not in error.__notes__


@EVERY_WAY
def test_an_error_without_a_cause_has_none(way: Callable[[Any], Any]) -> None:
    error = errors.StoreStatusError(operation="save", status=500)
    again = way(error)
    assert said(again) == said(error)
    assert (again.__cause__, again.__suppress_context__) == (None, False)
    assert again.__notes__ == error.__notes__


@EVERY_WAY
def test_a_chain_of_errors_stays_a_chain(way: Callable[[Any], Any]) -> None:
    inner = made(errors.ActivityError)
    outer = made(errors.WorkflowFailedError)
    outer.__cause__ = inner
    again = way(outer)
    assert said(again.__cause__) == said(inner)
    assert str(again.__cause__.__cause__) == "why"


class LockedError(Exception):
    """One that cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


class NeedyError(Exception):
    """One that pickles, and then cannot be read back."""

    def __init__(self, *, needed: str) -> None:
        super().__init__(f"needed {needed}")


@pytest.mark.parametrize("cause", [LockedError(), NeedyError(needed="x")], ids=repr)
def test_a_cause_that_cannot_be_pickled_is_told_in_a_note(cause: Exception) -> None:
    error = made(errors.WorkflowFailedError)
    error.__cause__ = cause
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert again.__cause__ is None
    assert again.__notes__ == [*error.__notes__, f"its cause was {cause!r}"]
    assert again.args == error.args
    assert copy.copy(error).__cause__ is copy.deepcopy(error).__cause__ is cause
    assert error.__notes__ == ["a note of its own"]


IN_ANOTHER_PROCESS = """
import pickle, sys
import inngest_nb as inb

def charge(order):
    raise ValueError("declined")

async def workflow(ctx):
    await ctx.execute_activity(charge, 1)

with inb.Executor() as executor:
    try:
        executor.execute(workflow, id="order-1").result(60)
    except Exception as error:
        sys.stdout.buffer.write(pickle.dumps(error))
"""


def test_the_error_of_a_run_travels_from_one_process_to_another() -> None:
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    error = pickle.loads(output)  # noqa: S301
    assert isinstance(error, errors.WorkflowFailedError)
    assert (error.workflow_id, error.activity) == ("order-1", "charge")
    assert "declined" in str(error)
    assert isinstance(error.__cause__, errors.ActivityError)
    assert error.__cause__.attempts == 1
