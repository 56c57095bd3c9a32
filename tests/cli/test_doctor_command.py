"""`inngest-nb doctor`, as a process."""

from __future__ import annotations

import json
from pathlib import Path

from nb_command import run
from story_server import StoryServer

import inngest_nb as inb

KEY = "a-planted-event-key"


def test_the_version_is_told() -> None:
    assert run(Path.cwd(), "--version").stdout == f"inngest-nb, version {inb.__version__}\n"


def test_in_a_sound_environment_it_tells_versions_and_kernel_and_is_content(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    words = " ".join(done.stdout.split())
    for expected in ("ok Python 3.", "ok pandas 3.", "ok ipykernel", "ok kernel python3 works"):
        assert expected in words
    assert f"with inngest_nb {inb.__version__}" in words
    assert "ok event loop not patched in a new kernel" in words
    assert words.endswith("No problems found.")
    assert not done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_real_inngest_and_the_state_server_are_named_rightly(tmp_path: Path) -> None:
    with StoryServer("dev") as dev, StoryServer("cloud") as cloud:
        for inngest, name, status in (
            (dev, "an Inngest dev server; 2 apps", 0),
            (cloud, "a self-hosted Inngest server", 1),  # which wants a signing key
        ):
            done = run(tmp_path, "doctor", INNGEST_BASE_URL=inngest.url, INNGEST_EVENT_KEY=KEY)
            assert done.returncode == status, done.stdout
            assert name in " ".join(done.stdout.split())
            assert ("requires a signing key" in done.stdout) == bool(status)
            assert KEY not in done.stdout + done.stderr
    with inb.StateServer(tmp_path / "state.db", port=0, event_key=KEY) as server:
        done = run(tmp_path, "doctor", "--base-url", server.url, INNGEST_EVENT_KEY=KEY)
    assert done.returncode == 0, done.stdout
    assert "the state server of inngest_nb" in " ".join(done.stdout.split())
    assert KEY not in done.stdout + done.stderr


def test_a_startup_file_that_patches_every_kernel_is_found(tmp_path: Path) -> None:
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-nest.py").write_text("import nest_asyncio; nest_asyncio.apply(); print('hi')")
    done = run(tmp_path, "doctor")
    assert done.returncode == 1
    words = " ".join(done.stdout.split())
    assert "to do event loop every new kernel is patched by nest_asyncio.apply()" in words
    assert "IPython's startup files" in words


def test_a_kernel_that_is_another_python_s_or_none_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "kernels" / "python3"
    folder.mkdir(parents=True)
    for argv in ["/nowhere/python", "{connection_file}"], ["python", "-c", "print('hello')"]:
        spec = {"argv": argv, "display_name": "another", "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))
        done = run(tmp_path, "doctor", JUPYTER_PREFER_ENV_PATH="0")
        assert done.returncode == 1
        words = " ".join(done.stdout.split())
        assert "the kernel 'python3' does not work" in words
        assert "-m ipykernel install" in words
        assert "Traceback" not in done.stderr


def test_a_damaged_workflow_in_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    with inb.SqliteStore(path) as store:
        for name in ("sound", "spoilt"):
            store.save(inb.WorkflowState(workflow_id=name, input=f"what is in {name}"))
    path.write_bytes(path.read_bytes().replace(b"what is in spoilt", b"what is in spoils"))
    done = run(tmp_path, "doctor", "--path", str(path))
    words = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stdout + done.stderr
    assert "to do workflow 'spoilt': damaged in the database file" in words
    assert "delete('spoilt')" in words
    assert "'sound'" not in words
    missing = run(tmp_path, "doctor", "--path", "nowhere.db")
    assert (missing.returncode, "does not exist" in missing.stderr) == (2, True)
    assert not (tmp_path / "nowhere.db").exists()
