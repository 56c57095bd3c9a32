"""The API in a fresh interpreter, and in a forked process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
from forking import in_a_child
from story_server import StoryServer

from inngest_nb import AsyncInngestAPI, InngestAPI

LOADED = """
import json, sys
import inngest_nb
print(json.dumps(sorted(name for name in sys.modules if name.startswith(("inngest_nb.", "httpx")))))
"""


def test_the_package_loads_nothing_of_it_until_it_is_used() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", LOADED], check=True, capture_output=True, text=True
    )
    assert json.loads(answer.stdout) == ["inngest_nb._df_wf", "inngest_nb._version"]


def test_it_needs_neither_pandas_nor_the_sdk() -> None:
    code = "import inngest_nb as inb, sys; inb.InngestAPI; assert not {'pandas', 'inngest'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_gets_its_own_answers(names: dict[str, str]) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        api.apps()  # and its connection is open

        def work(name: str) -> str:
            for _ in range(20):
                if (run := api.run(names[name])).run_id != names[name]:
                    return f"another's answer: {run}"
            return "well"

        children = [
            in_a_child(lambda name=name: work(name)) for name in ("order2", "order3", "sleep")
        ]
        assert work("order1") == "well"
        assert [child() for child in children] == ["well"] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_an_async_client_works_in_a_forked_process_too() -> None:
    with StoryServer() as inngest:
        api = AsyncInngestAPI(inngest.url)

        async def both() -> str:
            await api.apps()
            child = in_a_child(lambda: str(len(asyncio.run(api.apps()))))
            words = await asyncio.to_thread(child)
            await api.aclose()
            return words

        assert asyncio.run(both()) == "2"
