"""What the doctor says of a real Inngest, and that it works when it is followed word by word."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile_strings import HOSTILE_STRINGS
from nb_command import Command
from story_server import SIGNING_KEY, StoryServer

import inngest_nb as inb
from inngest_nb.findings import Checkup, Finding, Level
from inngest_nb.notebook.page import output

MODES: dict[str, tuple[Any, bool]] = {
    "dev": ("dev", True),
    "keyed": ("cloud", True),
    "no-ui": ("cloud", False),
}


@pytest.fixture(params=MODES)
def inngest(request: pytest.FixtureRequest) -> Iterator[StoryServer]:
    kind, ui = MODES[request.param]
    with StoryServer(kind, ui=ui) as server:
        yield server


def finding(checkup: Checkup, subject: str) -> Finding:
    return next(found for found in checkup.findings if found.subject == subject)


def followed(found: Finding) -> list[Any]:
    """Run the lines of an advice one after the other, and return what each that has a value gave."""
    names: dict[str, Any] = {}
    values = []
    for line in found.code:
        if re.match(r"import |\w+ = ", line):
            exec(line, names)  # noqa: S102
        else:
            values.append(eval(line, names))  # noqa: S307
    return values


@pytest.mark.parametrize("way", ["argument", "variable"])
def test_its_advice_works_word_by_word(
    inngest: StoryServer, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "variable":
        monkeypatch.setenv("INNGEST_BASE_URL", inngest.url)
    given = inngest.url if way == "argument" else None
    if inngest.kind == "cloud":
        wanted = finding(inb.doctor(given), "signing key")
        assert wanted.level is Level.TO_DO
        assert wanted.words == f"{inngest.url} requires a signing key, but none is set"
        (variable,) = re.findall(r"set (\w+),", wanted.cure)
        monkeypatch.setenv(variable, SIGNING_KEY)
    checkup = inb.doctor(given)
    assert checkup.to_do == 0
    found = finding(checkup, "Inngest")
    name = "an Inngest dev server" if inngest.kind == "dev" else "a self-hosted Inngest server"
    source = "base_url" if given else "INNGEST_BASE_URL"
    assert found.words == f"{inngest.url} ({source}): {name}; 2 apps"
    health, runs = followed(found)
    assert isinstance(health, Checkup)
    assert isinstance(runs, pd.DataFrame)
    assert any("api" in line for line in found.code) == bool(given)
    assert "INNGEST_BASE_URL" not in " ".join(each.cure for each in checkup.findings)


def test_its_advice_for_a_state_server_beside_it_works_word_by_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with StoryServer() as inngest:
        monkeypatch.setenv("INNGEST_BASE_URL", inngest.url)
        found = finding(inb.doctor(), "state server")
        assert found.level is Level.NOTE
        (command,) = re.findall(r"`inngest-nb ([^`]*)`", found.cure)
        name, url = re.findall(r"set (\w+)=(http://[\w.:]+)", found.cure)[0]
        assert url.rpartition(":")[2] in command
        port = free_port()  # another than that of the advice, which may be taken here
        arguments = command.replace("8290", port).split()
        with Command(tmp_path, *arguments) as server:
            server.shown("^State server at")
            monkeypatch.setenv(name, url.replace("8290", port))
            checkup = inb.doctor()
            assert finding(checkup, "server").level is Level.OK
            assert finding(checkup, "server").words.startswith(
                f"http://localhost:{port} (INNGEST_N"
            )
            with inb.InngestStore() as store:
                store.save(inb.WorkflowState(workflow_id="wf-1"))
            # Inngest's own variable stays Inngest's.
            health, runs = followed(finding(checkup, "Inngest"))
            assert len(health.findings) > 5
            assert list(runs) == list(inb.search_runs(limit=1))


def free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def test_a_state_server_at_inngests_own_variable_is_asked_to_move(
    state_server: inb.StateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNGEST_BASE_URL", state_server.url)
    before = finding(inb.doctor(), "server")
    assert before.level is Level.NOTE
    assert "Inngest's own client reads INNGEST_BASE_URL, too" in before.cure
    name, url = re.findall(r"set (\w+)=(\S+) instead", before.cure)[0]
    monkeypatch.delenv("INNGEST_BASE_URL")
    monkeypatch.setenv(name, url)
    assert finding(inb.doctor(), "server").level is Level.OK


def test_a_real_inngest_at_our_variable_is_to_be_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    with StoryServer() as inngest:
        monkeypatch.setenv("INNGEST_NB_URL", inngest.url)
        found = finding(inb.doctor(), "server")
    assert found.level is Level.TO_DO
    assert "an Inngest dev server, which does not store workflow states" in found.words
    assert found.cure.startswith("unset INNGEST_NB_URL")


def test_an_address_of_inngest_that_is_dead_is_told_with_its_variable(
    state_server: inb.StateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StoryServer() as inngest:
        url = inngest.url
    monkeypatch.setenv("INNGEST_NB_URL", state_server.url)
    monkeypatch.setenv("INNGEST_API_BASE_URL", url)
    found = finding(inb.doctor(), "Inngest")
    assert found.level is Level.TO_DO
    assert found.words.startswith(f"{url} (INNGEST_API_BASE_URL): no connection")
    monkeypatch.setenv("INNGEST_API_BASE_URL", "nonsense")
    assert finding(inb.doctor(), "Inngest").words.startswith("INNGEST_API_BASE_URL must start with")


@pytest.mark.parametrize(
    ("subject", "name"),
    [("signing key", "INNGEST_SIGNING_KEY"), ("event key", "INNGEST_EVENT_KEY")],
)
def test_a_key_that_cannot_be_one_is_told_once_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, subject: str, name: str
) -> None:
    monkeypatch.setenv(name, "two\nlines")
    with StoryServer() as inngest:
        checkup = inb.doctor(inngest.url)
    assert checkup.to_do == 1
    found = finding(checkup, subject)
    assert name in found.cure
    assert "https" not in found.cure
    assert "two" not in str(checkup)


@pytest.mark.parametrize("path", ["/runs", "/api"])
def test_of_a_dashboard_it_says_which_address_is_right(path: str) -> None:
    with StoryServer() as inngest:
        found = finding(inb.doctor(inngest.url + path), "Inngest")
        assert (found.level, "the dashboard of" in found.words) == (Level.TO_DO, True)
        assert len(followed(found)) == 2


@pytest.mark.parametrize("key", ["a-planted-event-key", SIGNING_KEY.replace("0", "1")])
def test_no_key_is_in_what_it_says(
    inngest: StoryServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    for name in ("INNGEST_SIGNING_KEY", "INNGEST_SIGNING_KEY_FALLBACK", "INNGEST_EVENT_KEY"):
        monkeypatch.setenv(name, key)
    checkup = inb.doctor(inngest.url)
    shown = str(checkup) + repr(checkup.findings) + str(output("findings", checkup=checkup))
    assert key not in shown
    assert key.removeprefix("signkey-prod-") not in shown
    if inngest.kind == "cloud":
        assert "INNGEST_SIGNING_KEY" in finding(checkup, "signing key").words


@pytest.mark.parametrize("text", [*HOSTILE_STRINGS, "a\x1b[31m\u202eb\x00"])
def test_hostile_text_of_a_finding_is_only_text(text: str) -> None:
    found = Checkup((Finding(Level.TO_DO, "server", text, text, (text,)),))
    html = str(output("findings", checkup=found))
    assert set(re.findall(r"<\s*(\w+)", html)) <= {"style", "div", "span", "b", "pre", "p"}
    assert all(line.isprintable() for line in [*str(found).splitlines(), *html.splitlines()])
