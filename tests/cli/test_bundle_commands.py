"""`inngest-nb export` of a store and `inngest-nb import`, as processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from frame_states import state
from nb_command import run

import inngest_nb as inb
from inngest_nb import InngestStore, SqliteStore, StateServer


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with SqliteStore(tmp_path / "state.db") as store:
        for number in range(6):
            status = "failed" if number % 2 else "running"
            given = {"customer": {"name": f"Ada {number} Lovelace"}, "total": 10 * number}
            store.save(state(f"order-{number}", status, input=given))
    return tmp_path


def test_workflows_of_a_file_are_exported_redacted(home: Path) -> None:
    done = run(
        home, "export", "state.db", "incident.db", "--status", "failed", "--where", "input.total > 10",
        "--redact", "input.customer", "--redact", "input.costumer", "--author", "ann",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == "Warning: redact: nothing is at input.costumer\n"
    with inb.open_bundle(home / "incident.db") as bundle:
        assert done.stdout == f"{bundle.info!r}\n"
        assert {one.workflow_id for one in bundle.list()} == {"order-3", "order-5"}
        assert bundle.info.author == "ann"
    assert b"Lovelace" not in (home / "incident.db").read_bytes()


def test_a_bundle_is_not_replaced_unless_that_is_asked_for(home: Path) -> None:
    for options, status in (((), 0), ((), 1), (("--overwrite", "--limit", "1"), 0)):
        done = run(home, "export", "state.db", "a.db", *options)
        assert done.returncode == status, done.stderr
    assert "1 workflow with" in done.stdout
    done = run(home, "export", "a.db", "state.db", "--overwrite")
    assert done.returncode == 1
    assert "state.db is not a bundle, so it was not overwritten" in done.stderr


def test_a_bundle_is_imported_into_a_file_and_a_server(home: Path) -> None:
    assert run(home, "export", "state.db", "a.db", "--status", "failed").returncode == 0
    done = run(home, "import", "a.db", "new.db")
    assert (done.returncode, done.stdout) == (0, "3 workflows added\n"), done.stderr
    done = run(home, "import", "a.db", "state.db")
    assert done.stdout == (
        "0 workflows added; 3 left as they are, because their ids are stored already\n"
    )
    done = run(home, "import", "a.db", "new.db", "--overwrite")
    assert done.stdout == "0 workflows added; 3 replaced\n"
    with StateServer(home / "served.db", port=0) as server, InngestStore(server.url) as store:
        done = run(home, "import", "a.db", server.url)
        assert done.stdout == "3 workflows added\n", done.stderr
        assert len(store.fetch()) == 3
        done = run(home, "export", server.url, "from-server.db")
        assert "a bundle of 3 workflows" in done.stdout, done.stderr


def test_an_import_says_what_a_worker_would_run(home: Path) -> None:
    assert run(home, "export", "state.db", "a.db").returncode == 0
    done = run(home, "import", "a.db", "new.db")
    assert done.stdout.splitlines()[1] == (
        "3 have not ended: a worker on this store resumes what is stored as running."
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "state.db"), "give notebooks (.ipynb), or a store and a file"),
        (("export", "a", "b", "c"), "give notebooks (.ipynb), or a store and a file"),
        (("export", "a.ipynb", "state.db"), "not both"),
        (("export", "a.ipynb", "--redact", "input.a"), "--redact is for bundles only"),
        (("export", "state.db", "a.db", "--run"), "--dir and --run are for notebooks"),
        (("export", "missing.db", "a.db"), "there is no file missing.db"),
        (("export", "state.db", "a.db", "--where", "input.>"), "where: expected a key"),
        (("export", "state.db", "a.db", "--redact", "customer"), "redact: a path begins with"),
        (("export", "state.db", "a.db", "--since", "yesterday"), "since"),
        (("import", "missing.db", "a.db"), "does not exist"),
        (("import", "state.db", "a.db"), "is the file of a store, not a bundle"),
        (("export", "http://127.0.0.1:9", "a.db"), "http://127.0.0.1:9"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    home: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = run(home, *arguments)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "missing.db").exists()
    assert not (home / "a.db").exists()
