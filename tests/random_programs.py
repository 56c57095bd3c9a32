"""Random workflows: small trees of commands, drawn by hypothesis.

A program is JSON, so it is the input of its workflow. Each call in it has a number of its own, and
each timer a duration of its own, by which events are recognized. Only calls that begin together
share a signal's name; so it never matters in which order one turn serves several branches.

A set of strings is gone through in another order in each process. So a program that does that is
said to be `unordered`: a replay of it may end in `NonDeterminismError`, and in nothing worse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Node = list[Any]

LEAVES = ["act", "act", "act", "retried", "sleep", "recv", "recv_within", "iter", "answer", "map"]
LEAVES += ["child"]
BRANCHES = ["seq", "gather", "group", "race", "timeout", "try", "listeners"]
# What goes through sets. A group with compensation takes a while to be canceled, so that nothing
# that may be canceled has one in it.
SETS = ["completed", "completed", "wait", "wait", "wait"]
MODES = ["FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"]
CANCELED = ["group", "race", "timeout", "compensated", "completed", "wait"]


@st.composite
def programs(draw: Callable[..., Any], *, plain: bool) -> Node:
    """Draw a program; a plain one does one thing after the other."""
    return _Maker(draw, plain=plain).sequence(depth=3, name="s", most=5)


def is_unordered(program: Any) -> bool:
    """Tell whether a program goes through a set of strings."""
    if isinstance(program, list):
        return program[:1] == ["strings"] or any(map(is_unordered, program))
    return False


class _Maker:
    def __init__(self, draw: Callable[..., Any], *, plain: bool) -> None:
        self._draw = draw
        self._plain = plain
        self._count = 0
        self._inside: list[str] = []
        self._much = draw(st.sampled_from([None, "strings", "strings", "child", "child"]))

    def sequence(self, depth: int, name: str, *, most: int = 3, caught: bool = False) -> Node:
        size = self._draw(st.integers(1, most))
        return ["seq", [self._node(depth, name, caught=caught) for _ in range(size)]]

    def _node(self, depth: int, name: str, *, caught: bool) -> Node:
        branches = ["seq", "try"] if self._plain else [*BRANCHES, *SETS]
        if not self._plain and not set(CANCELED).intersection(self._inside):
            branches = [*branches, "compensated", "compensated"]
        kinds = [*LEAVES, *([self._much] * 8 if self._much else []), *(branches if depth else [])]
        kind = self._draw(st.sampled_from(kinds))
        if (leaf := self._leaf(kind, name, caught=caught)) is not None:
            return leaf
        self._inside.append(kind)
        try:
            return self._branch(kind, depth, name, caught)
        finally:
            self._inside.pop()

    def _leaf(self, kind: str, name: str, *, caught: bool) -> Node | None:
        if kind == "act":
            return self._act(caught=caught)
        if kind == "retried":
            return self._act(caught=caught, most=3)
        if kind == "sleep":
            return ["sleep", self._seconds()]
        if kind == "recv":
            return ["recv", name, None]
        if kind == "recv_within":
            return ["recv", name, self._seconds()]
        if kind == "iter":
            return ["iter", name, self._draw(st.integers(1, 3))]
        if kind == "answer":
            what = self._draw(st.sampled_from(["version", "uuid", "random", "now"]))
            return ["answer", what, self._number(), self._act(caught=True)]
        if kind == "map":
            first = self._act(caught=caught, most=2)[1]
            items = [first]
            for _ in range(self._draw(st.integers(0, 3))):
                fails = self._draw(st.integers(0, first["attempts"] - 1))
                items.append({**first, "k": self._number(), "fails": fails})
            return ["map", items, self._draw(st.sampled_from([None, 1, 2]))]
        if kind == "child":
            return ["child", self._number(), self._work(caught=caught), self._draw(st.booleans())]
        if kind == "strings":
            count = self._draw(st.integers(2, 4))
            first, *others = (self._act(caught=caught)[1] for _ in range(count))
            same = {name: first[name] for name in ("kind", "limit")}  # so that only inputs differ
            return ["strings", [first, *({**act, **same} for act in others)]]
        return None

    def _work(self, *, caught: bool) -> Node:
        """Return the program of a child: a few things that nobody from outside takes part in."""
        parts: list[Node] = []
        for _ in range(self._draw(st.integers(1, 3))):
            sleeps = self._draw(st.integers(0, 3)) == 0
            parts.append(["sleep", self._seconds()] if sleeps else self._act(caught=caught, most=2))
        if caught and self._draw(st.integers(0, 3)) == 0:
            parts.append(["raise", f"error {self._number()}"])
        return ["seq", parts]

    def _branch(self, kind: str, depth: int, name: str, caught: bool) -> Node:
        if kind == "seq":
            return self.sequence(depth - 1, name, caught=caught)
        if kind == "try":
            inner = self.sequence(depth - 1, name, caught=True)
            if self._draw(st.integers(0, 3)) == 0:
                inner[1].append(["raise", f"error {self._number()}"])
            return ["try", inner]
        if kind == "timeout":
            return ["timeout", self._seconds(), self.sequence(depth - 1, name, caught=caught)]
        if kind == "listeners":
            shared, count = self._name(), self._draw(st.integers(2, 3))
            return ["gather", [["recv", shared, None] for _ in range(count)]]
        parts = []
        most = 6 if kind in ("completed", "wait") else 3
        for _ in range(self._draw(st.integers(2, most))):
            part = self.sequence(depth - 1 if most == 3 else 0, self._name(), caught=caught)
            if kind not in ("gather", "group"):  # so that no two can be over at once
                part[1].insert(0, self._act(caught=caught))
            parts.append(part)
        if kind == "completed":
            after = self._acts(parts, caught=caught) if self._draw(st.booleans()) else None
            return [kind, parts, self._draw(st.booleans()), after]
        if kind == "wait":
            mode, own = self._draw(st.sampled_from(MODES)), self._draw(st.booleans())
            return [kind, parts, mode, own, self._acts(parts, caught=caught)]
        if kind == "compensated":
            return [kind, parts, self._acts(parts, caught=True)]
        return [kind, parts]

    def _acts(self, parts: list[Node], *, caught: bool) -> list[dict[str, Any]]:
        """Return an activity for each part."""
        return [self._act(caught=caught)[1] for _ in parts]

    def _act(self, *, caught: bool, most: int = 1) -> Node:
        """Return an activity: how often it fails before it works, and how often it is tried."""
        attempts = self._draw(st.integers(1, most))
        doomed = self._draw(st.integers(0, 2 if caught else 11)) == 0
        limit = self._seconds() if self._draw(st.integers(0, 5)) == 0 else None
        return [
            "act",
            {
                "k": self._number(),
                "fails": attempts if doomed else attempts - 1,
                "attempts": attempts,
                "pause": self._seconds(),
                "kind": "work" if limit else self._draw(st.sampled_from(["work", "work_plainly"])),
                "limit": limit,
            },
        ]

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _name(self) -> str:
        return f"s{self._number()}"

    def _seconds(self) -> float:
        return round(self._draw(st.integers(1, 50)) + self._number() / 1000, 3)


def children_in(program: Any) -> dict[int, Node]:
    """Return the programs of a program's children, by the numbers of the calls."""
    if not isinstance(program, list):
        return {}
    found = {program[1]: program[2]} if program[:1] == ["child"] else {}
    for part in program:
        found |= children_in(part)
    return found


def calls_in(program: Any) -> set[int]:
    """Return the numbers of all calls of activities in a program."""
    if isinstance(program, dict):
        return {program["k"]}
    parts = program if isinstance(program, list) else []
    return {k for part in parts for k in calls_in(part)}


def names_in(program: Node) -> list[str]:
    """Return the names of all signals that a program receives."""
    if program[0] in ("recv", "iter"):
        return [program[1]]
    inner = [part for part in program[1:] if isinstance(part, list)]
    found = [
        name
        for part in inner
        for node in ([part] if part and isinstance(part[0], str) else part)
        if isinstance(node, list)
        for name in names_in(node)
    ]
    return sorted(set(found))
