"""`inngest-nb lab`: JupyterLab, the walkthroughs and a state server, as processes."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest
from live_kernel import running_kernel
from nb_command import SECONDS, Command, environment, run
from story_server import StoryServer

import inngest_nb as inb

WALKTHROUGHS = Path(__file__).parents[2] / "notebooks"
URL = r"^JupyterLab +(http://\S+/lab/tree/01_look.ipynb\?token=\w+)$"


@contextmanager
def jupyter_of(lab: Command) -> Iterator[httpx.Client]:
    """Give a client of the JupyterLab that the command has announced, once it answers."""
    url = urlsplit(lab.shown(URL)[1])
    token = parse_qs(url.query)["token"][0]
    headers = {"Authorization": f"token {token}"}
    deadline = time.monotonic() + SECONDS
    address = f"http://{url.netloc}"
    with httpx.Client(base_url=address, headers=headers, timeout=SECONDS) as client:
        while client.get("/api/status").status_code != 200:
            assert time.monotonic() < deadline, lab.output
        yield client


def start_kernel(jupyter: httpx.Client, lab: Command) -> Path:
    """Have a kernel started as a notebook of the folder has, and give its connection file."""
    started = jupyter.post("/api/kernels", json={"name": "python3"})
    assert started.status_code == 201
    return lab.home / "runtime" / f"kernel-{started.json()['id']}.json"


def test_it_opens_the_first_walkthrough_and_asks_nothing_about_news(tmp_path: Path) -> None:
    with Command(tmp_path, "lab", "--no-browser", "--dir", ".") as lab, jupyter_of(lab) as jupyter:
        opened = jupyter.get("/", follow_redirects=True)
        assert opened.url.path == "/lab/tree/01_look.ipynb"
        page = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', opened.text, re.DOTALL)
        assert page is not None
        disabled = json.loads(page[1])["disabledExtensions"]
        assert "@jupyterlab/apputils-extension:announcements" in disabled


def processes_of(lab: Command) -> list[psutil.Process]:
    command = psutil.Process(lab.process.pid)
    return [command, *command.children(recursive=True)]


def test_its_notebooks_find_the_server_and_the_walkthroughs_and_it_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "my folder"
    with Command(tmp_path, "lab", "--no-browser", "--dir", "my folder") as lab:
        server = lab.shown(r"^State server +(http://\S+), for InngestStore\(\) in notebooks$")[1]
        with jupyter_of(lab) as jupyter:
            shown = {entry["name"] for entry in jupyter.get("/api/contents").json()["content"]}
            assert shown == {file.name for file in WALKTHROUGHS.glob("[!.]*")}
            with running_kernel(start_kernel(jupyter, lab)) as kernel:
                kernel.run("import os, inngest_nb as inb; store = inb.InngestStore()")
                assert kernel.run("print(os.getcwd())") == f"{folder}\n"
                assert kernel.run("store") == f"InngestStore({server!r}, event_key=set)"
                kernel.run("store.save(inb.WorkflowState(workflow_id='wf-1', status='running'))")
                # A walkthrough's own embedded server has the same states.
                assert kernel.run("print(inb.local().load('wf-1').status)") == "running\n"
                key = kernel.run("print(os.environ['INNGEST_EVENT_KEY'])").strip()
        assert httpx.get(f"{server}/v1/workflows").status_code == 401
        processes = processes_of(lab)
        assert len(processes) >= 3  # the command, JupyterLab, a kernel
        assert lab.end(signal.SIGINT) == 0
    assert psutil.wait_procs(processes, timeout=SECONDS)[1] == []
    assert len(key) > 30
    assert key not in lab.output
    assert "Traceback" not in lab.output
    assert (folder / ".inngest-nb" / "state.db").exists()
    assert not list((folder / ".inngest-nb").glob("*-wal"))
    assert not list((tmp_path / "runtime").glob("jpserver-*"))


@pytest.mark.parametrize(
    ("number", "variable"),
    [(signal.SIGTERM, "INNGEST_NB_URL"), (signal.SIGHUP, "INNGEST_BASE_URL")],
)
def test_a_server_of_the_users_choice_stays_his_choice(
    tmp_path: Path, number: signal.Signals, variable: str
) -> None:
    with (
        inb.StateServer(tmp_path / "other.db", port=0) as chosen,
        Command(tmp_path, "lab", "--no-browser", "--dir", ".", **{variable: chosen.url}) as lab,
    ):
        lab.shown(f"^State server +{chosen.url}, from {variable}$")
        with jupyter_of(lab) as jupyter:
            start_kernel(jupyter, lab)
        processes = processes_of(lab)
        assert lab.end(number) == 0
    assert psutil.wait_procs(processes, timeout=SECONDS)[1] == []
    assert not (tmp_path / ".inngest-nb").exists()


def test_a_real_inngest_of_the_users_stays_his_and_is_no_state_server(tmp_path: Path) -> None:
    with (
        StoryServer() as inngest,
        Command(tmp_path, "lab", "--no-browser", "--dir", ".", INNGEST_BASE_URL=inngest.url) as lab,
    ):
        server = lab.shown(r"^State server +(http://\S+), for InngestStore\(\) in notebooks$")[1]
        with (
            jupyter_of(lab) as jupyter,
            running_kernel(start_kernel(jupyter, lab)) as kernel,
        ):
            kernel.run("import inngest_nb as inb")
            assert kernel.run("print(inb.InngestStore().base_url)") == f"{server}\n"
            assert kernel.run("print(len(inb.search_runs(since=None)))") == "47\n"
        assert lab.end(signal.SIGINT) == 0


def test_a_signal_while_it_starts_leaves_nothing_behind_either(tmp_path: Path) -> None:
    with Command(tmp_path, "lab", "--no-browser") as lab:
        lab.shown("^States ")
        command = psutil.Process(lab.process.pid)
        lab.process.send_signal(signal.SIGINT)
        seen = set(command.children(recursive=True))
        while lab.process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                seen.update(command.children(recursive=True))
        assert lab.wait() == 0
    assert psutil.wait_procs(list(seen), timeout=SECONDS)[1] == []
    assert "Traceback" not in lab.output


def test_a_taken_port_ends_it_with_jupyters_reason_and_no_server_left(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with Command(
            tmp_path, "lab", "--no-browser", "--port", port, "--", "--ServerApp.ip=127.0.0.1"
        ) as lab:
            server = lab.shown(r"^State server +(http://\S+),")[1]
            assert lab.wait() == 1
    assert port in lab.output
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server}/health")


def test_without_jupyterlab_it_says_what_to_install_and_touches_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['jupyterlab'] = None\n"
        "from inngest_nb.cli import main; main(['lab'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'pip install "inngest-nb[lab]"' in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_base_url_that_is_none_is_told_without_a_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, "lab", "--no-browser", INNGEST_BASE_URL="http://user:secret@localhost")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Error: INNGEST_BASE_URL must not contain a user name or password"
    )
    assert "secret" not in done.stdout + done.stderr
