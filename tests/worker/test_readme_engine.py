"""The README's lines about more than one machine do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from inngest_site import InngestSite

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, flags=re.S | re.M)


def test_the_lines_of_the_readme_run_after_those_that_define_the_workflow(
    site: InngestSite, tmp_path: Path
) -> None:
    (lines,) = [block for block in blocks("py") if "serve_on_inngest" in block]
    program = tmp_path / "pasted.py"
    program.write_text("\n\n".join([*blocks("python"), lines]), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, program],
        cwd=tmp_path,
        env=os.environ | {"INNGEST_BASE_URL": site.url},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == 2 * "{'order': 42, 'shelf': 'B-12'}\n"  # by an executor, then by Inngest
    assert [run.output for run in site.engine.executor.runs.values()] == [
        {"order": 42, "shelf": "B-12"}
    ]


STEP_IN_PROGRESS = """
import asyncio, sys
import inngest_nb as inb

async def hold():
    print("it holds", flush=True)
    await asyncio.sleep(60)

async def held(ctx):
    await ctx.execute_activity(hold)

worker = inb.serve_on_inngest([held], via="http")
inb.InngestAPI().invoke("inngest-nb", "held", {})
sys.stdin.read()
"""


def test_a_program_that_ends_in_the_middle_of_a_step_has_nothing_to_say(site: InngestSite) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STEP_IN_PROGRESS],
        env=os.environ | {"INNGEST_BASE_URL": site.url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "it holds\n"
        assert program.communicate() == ("", "")  # which ends its stdin, and so the program
