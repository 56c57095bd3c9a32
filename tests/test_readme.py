"""The README promises nothing that no test shows: the tests that it names are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# A test's name with spaces, as a link to its file.
NAMED = re.findall(r"\[([a-z0-9 ]+)\]\((tests/[\w/]+\.py)\)", README)


@pytest.mark.parametrize(
    ("head", "least"),
    [
        ("| When the process dies |", 13),
        ("| In other cases |", 7),
        ("| In your code | On Inngest |", 12),
    ],
)
def test_each_row_of_what_is_promised_names_its_tests(head: str, least: int) -> None:
    table = README.partition(head)[2].partition("\n\n")[0]
    rows = table.splitlines()[2:]
    assert len(rows) >= least
    assert [row for row in rows if "](tests/" not in row.rpartition(" | ")[2]] == []


@pytest.mark.parametrize(("name", "file"), NAMED)
def test_a_test_that_the_readme_names_is_there(name: str, file: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    assert f"\ndef test_{name.replace(' ', '_')}(" in source


def test_every_python_block_of_the_readme_runs_in_order_as_it_stands(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 3
    program = tmp_path / "pasted.py"
    program.write_text("\n\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'order': 42, 'shelf': 'B-12'}\n"
    assert not done.stderr


def test_each_file_and_picture_that_the_readme_links_to_is_there() -> None:
    linked = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert [target for target in linked if not (ROOT / target).exists()] == []
