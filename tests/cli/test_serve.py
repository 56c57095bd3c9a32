"""`inngest-nb serve`, as a process."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest
from inngest_replay import InngestReplay
from nb_command import Command, run

import inngest_nb as inb

KEY = "a-planted-event-key"
LINE = r"^State server at (http://\S+), states in (\S+), event key (set|not set)$"


def test_one_line_says_where_it_is_and_the_states_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "states.db"
    with Command(tmp_path, "serve", "--port", "0", "--path", str(file)) as server:
        line = server.shown(LINE)
        assert line.groups()[1:] == (str(file), "not set")
        with inb.InngestStore(line[1], "") as store:
            store.save(inb.WorkflowState(workflow_id="wf-1", status="running"))
        assert server.end(signal.SIGINT) == 0
        assert server.output == line[0] + "\n"
    with inb.SqliteStore(file) as states:
        assert [state.workflow_id for state in states.list()] == ["wf-1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly_even_with_clients_connected(
    tmp_path: Path, number: signal.Signals
) -> None:
    with Command(tmp_path, "serve", "--port", "0") as server, httpx.Client() as client:
        url = server.shown(LINE)[1]
        assert client.get(f"{url}/health").json()["server"] == "inngest-nb"
        assert server.end(number) == 0
        assert "Traceback" not in server.output
    # Closed, not just left: SQLite has put its journal away.
    assert [file.name for file in (tmp_path / ".inngest-nb").glob("state*")] == ["state.db"]


def test_the_key_comes_from_the_environment_a_file_or_the_input_and_is_never_shown(
    tmp_path: Path,
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    ways = (
        Command(tmp_path, "serve", "--port", "0", INNGEST_EVENT_KEY=KEY),
        Command(
            tmp_path,
            *("serve", "--port", "0", "--event-key-file", str(file)),
            INNGEST_EVENT_KEY="other",
        ),
        Command(tmp_path, "serve", "--port", "0", "--event-key-file", "-", stdin=f"{KEY}\n"),
    )
    for way in ways:
        with way as server:
            line = server.shown(LINE)
            assert line[3] == "set"
            url = f"{line[1]}/v1/workflows"
            assert httpx.get(url).status_code == 401
            assert httpx.get(url, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
            arguments = Path(f"/proc/{server.process.pid}/cmdline")
            assert not arguments.exists() or KEY.encode() not in arguments.read_bytes()
            server.end(signal.SIGTERM)
            assert KEY not in server.output


def test_a_key_is_no_option_and_an_empty_file_no_key(tmp_path: Path) -> None:
    assert run(tmp_path, "serve", "--event-key", KEY).returncode == 2
    (tmp_path / "key").write_text("\n")
    done = run(tmp_path, "serve", "--port", "0", "--event-key-file", "key")
    assert done.returncode == 2
    assert "the first line is empty" in done.stderr
    done = run(tmp_path, "serve", "--port", "0", INNGEST_EVENT_KEY=f"{KEY}\x07")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the event key contains spaces")
    assert KEY not in done.stderr


def test_a_taken_port_is_told_with_what_answers_there_and_the_way_out(tmp_path: Path) -> None:
    with InngestReplay("dev") as inngest:
        port = inngest.url.rpartition(":")[2]
        done = run(tmp_path, "serve", "--port", port)
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 is already used by an Inngest dev server" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".inngest-nb").exists()


def test_beyond_this_machine_it_wants_a_key(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--port", "0", "--host", "0.0.0.0")  # noqa: S104  # refused
    assert done.returncode == 1
    assert "INNGEST_EVENT_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but somebody's notes\n" * 100)
    before = file.read_bytes()
    done = run(tmp_path, "serve", "--port", "0", "--path", str(file))
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_bytes() == before
