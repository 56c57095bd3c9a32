"""How much longer a benchmark takes than in another version of this package, which takes turns.

    python tests/benchmarks/versions.py cbc8737 bench_store_request

runs the benchmark as it is here and as it is in that commit, each in a process of its own, with its
own servers. Whatever is measured, they measure in turn, a round here and a round there, because the
same script started twice differs by up to a fifth. Both measure with `alternating.py` as it is
here. Only benchmarks that print medians are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import runpy
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import alternating

HERE = Path(__file__).resolve().parents[2]
FOLDER = Path("tests/benchmarks")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("commit", help="the version to compare with")
    asked.add_argument("benchmark", help="such as bench_store_request")
    asked.add_argument("--times", type=int, default=1, help="how many times as many rounds")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as name, checked_out(given.commit, Path(name)) as there:
        results = Path(name) / "here.json", Path(name) / "there.json"
        sides = [
            Side(tree, given.benchmark, given.times, result)
            for tree, result in zip((HERE, there), results, strict=True)
        ]
        take_turns(sides)
        here, other = (json.loads(result.read_text()) for result in results)
    for now, before in zip(here, other, strict=False):
        compare(now, before)
        print()


@contextlib.contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out into a folder of its own."""
    git, tree = ["git", "-C", str(HERE)], folder / "tree"
    subprocess.run([*git, "worktree", "add", "--quiet", "--detach", tree, commit], check=True)
    try:
        yield tree
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", tree], check=True)


class Side:
    """The process that runs the benchmark of one version, while it has the turn."""

    def __init__(self, tree: Path, benchmark: str, times: int, result: Path) -> None:
        its_turn, self._give = os.pipe()
        self._take, its_end = os.pipe()
        command = [sys.executable, __file__, "--side", benchmark, times, result, its_turn, its_end]
        # Servers that the benchmark starts are of the same version.
        environment = os.environ | {"PYTHONPATH": str(tree)}
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=tree,
            env=environment,
            pass_fds=(its_turn, its_end),
            stdout=subprocess.DEVNULL,
        )
        os.close(its_turn)
        os.close(its_end)

    def turn(self) -> bool:
        """Let it measure once more, and tell whether it goes on after that."""
        os.write(self._give, b".")
        if os.read(self._take, 1):
            return True
        if self._process.wait():
            raise SystemExit("the benchmark failed; see above")
        return False


def take_turns(sides: Sequence[Side]) -> None:
    """Let the sides measure in turn, in another order each time, until both are at their end."""
    going = list(sides)
    while going:
        random.shuffle(going)
        going = [side for side in going if side.turn()]


def compare(now: Mapping[str, Sequence[float]], before: Mapping[str, Sequence[float]]) -> None:
    """Print the medians of what both have measured, and the median of the ratios by rounds."""
    for name in [name for name in now if name in before]:
        ratio = statistics.median(n / b for n, b in zip(now[name], before[name], strict=False))
        here, there = (statistics.median(times[name]) * 1e6 for times in (now, before))
        print(f"{name:>34}: {there:10.1f} -> {here:10.1f} µs, {ratio:.3f} times as long")


def run_side(benchmark: str, times: int, result: Path, turn: int, end: int) -> None:
    """Run the benchmark of this folder, and give the turn away after each measurement."""
    sys.path.insert(0, str(FOLDER.resolve()))
    shown: list[Mapping[str, Sequence[float]]] = []
    measure: Callable[..., dict[str, list[float]]] = alternating.measure

    def wait_for_turn() -> None:
        if not os.read(turn, 1):
            raise SystemExit(1)  # the other side has failed

    def in_turn(seconds_of: Callable[[Any, int], float]) -> Callable[[Any, int], float]:
        def seconds_in_turn(work: object, calls: int) -> float:
            taken = seconds_of(work, calls)
            os.write(end, b".")
            wait_for_turn()
            return taken

        return seconds_in_turn

    def measure_longer(works: object, *, rounds: int, **more: Any) -> dict[str, list[float]]:
        more["seconds"] = 2 * times * more.get("seconds", 40)  # those of the other side count
        return measure(works, rounds=rounds * times, **more)

    alternating._seconds = in_turn(alternating._seconds)
    alternating._told = in_turn(alternating._told)
    alternating.measure = measure_longer
    alternating.show = shown.append
    wait_for_turn()
    runpy.run_path(str(FOLDER / f"{benchmark}.py"), run_name="__main__")
    result.write_text(json.dumps(shown))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        side, times, to, *pipes = sys.argv[2:]
        run_side(side, int(times), Path(to), int(pipes[0]), int(pipes[1]))
    else:
        main()
