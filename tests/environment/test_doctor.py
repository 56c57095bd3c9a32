"""The checkup: what it finds, and what it says to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from canned_server import Answer, CannedServer
from live_kernel import live_kernel

import inngest_nb as inb
from inngest_nb.findings import Checkup, Finding, Level

KEY = "a-planted-event-key"


def finding(checkup: Checkup, subject: str) -> Finding:
    return next(found for found in checkup.findings if found.subject == subject)


def test_versions_are_told_and_the_environment_of_the_tests_is_sound() -> None:
    checkup = inb.doctor()
    text = str(checkup)
    for subject in ("inngest_nb", "Python", "pandas", "ipywidgets", "jupyterlab", "ipykernel"):
        assert finding(checkup, subject).level == Level.OK
        assert subject in text
    assert sys.executable in finding(checkup, "Python").words
    assert checkup.to_do == 0
    assert text.endswith("No problems found.")


def test_the_text_fits_eighty_columns_but_for_what_is_to_be_copied() -> None:
    words = " ".join(["some words about it"] * 10)
    address = "https://" + "a" * 90 + ".example"
    text = str(Checkup((Finding(Level.TO_DO, "server", words, f"set it to {address} now"),)))
    assert [line.strip() for line in text.splitlines() if len(line) > 80] == [address]
    assert "to do  server" in text
    assert text.endswith("1 thing to do, marked above.")


def test_a_command_is_on_one_line() -> None:
    for words in range(1, 60):
        cure = f"{'x ' * words}`inngest-nb serve --port 8290` and more"
        text = str(Finding(Level.TO_DO, "server", "none", cure))
        assert "`inngest-nb serve --port 8290`" in text
        assert max(map(len, text.splitlines())) <= 80


def test_the_state_server_is_named_and_the_variable_that_chose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with inb.StateServer(tmp_path / "state.db", port=0, event_key=KEY) as server:
        monkeypatch.setenv("INNGEST_NB_URL", server.url)
        refused = inb.doctor()
        monkeypatch.setenv("INNGEST_EVENT_KEY", KEY)
        checkup = inb.doctor()
    assert finding(refused, "server").level == Level.TO_DO
    assert "INNGEST_EVENT_KEY" in finding(refused, "server").cure
    assert finding(checkup, "server").level == Level.OK
    assert finding(checkup, "server").words.startswith(f"{server.url} (INNGEST_NB_URL): the state")
    assert finding(checkup, "event key").words == "set from INNGEST_EVENT_KEY"
    assert KEY not in str(checkup) + repr(checkup) + repr(checkup.findings)


def test_a_contract_server_is_usable() -> None:
    with CannedServer(lambda _: Answer(404, (("content-type", "text/plain"),))) as server:
        found = finding(inb.doctor(server.url), "server")
    assert found.level == Level.NOTE
    assert "save, load and delete work there" in found.cure


def test_an_address_or_key_that_no_store_would_take_is_told_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = finding(inb.doctor("http://user:secret@localhost"), "server")
    assert found.level == Level.TO_DO
    assert "secret" not in str(found)
    monkeypatch.setenv("INNGEST_EVENT_KEY", "broken\nkey")
    found = finding(inb.doctor(), "event key")
    assert found.level == Level.TO_DO
    assert "broken" not in str(found)


def test_a_key_that_would_travel_in_clear_is_something_to_do() -> None:
    checkup = inb.doctor("http://states.invalid", KEY)
    keys = [found for found in checkup.findings if found.subject == "event key"]
    assert [found.level for found in keys] == [Level.OK, Level.TO_DO]
    assert "unencrypted" in keys[1].words
    assert KEY not in str(checkup)


def test_a_kernel_that_the_old_package_patched_is_told_from_one_that_ours_nested() -> None:
    with live_kernel() as kernel:
        kernel.run("import inngest_nb as inb; inb.enable_nested_asyncio()")
        assert "nested by nest-asyncio2" in kernel.run("inb.doctor()")
    with live_kernel() as kernel:
        kernel.run("import nest_asyncio; nest_asyncio.apply(); import inngest_nb as inb")
        text = kernel.run("inb.doctor()")
    assert "to do  event loop" in text
    assert "restart the kernel" in text


def test_a_package_that_is_missing_or_too_old_is_something_to_do(tmp_path: Path) -> None:
    """A Python that sees our sources and, as installed, only what is written here."""
    for name, version, requires in (
        ("inngest_nb", "0.1.0", ["pandas>=3.0", "httpx>=0.28", "msgspec>=0.19"]),
        ("pandas", "2.2.3", []),
        ("msgspec", "0.19.0", []),
        ("ipykernel", "7.3.0", []),
    ):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")
    script = (
        "import sys, inngest_nb as inb\n"
        "inb.doctor()  # which loads what it needs\n"
        f"sys.path[:] = [{str(tmp_path)!r}]\n"
        "print(inb.doctor())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert "to do  pandas             2.2.3, but 3.0 or later is required" in lines
    assert '                          -> pip install --upgrade "pandas>=3.0"' in lines
    assert "to do  httpx              not installed" in lines
    assert "ok     msgspec            0.19.0" in lines
    assert "note   jupyterlab         not installed" in lines
    assert (
        "note   ipykernel          7.3.0; it occasionally stops receiving cells until the" in lines
    )
    assert '                          -> pip install --upgrade "ipykernel>=7.4"' in lines
