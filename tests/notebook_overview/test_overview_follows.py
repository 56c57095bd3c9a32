"""An overview of each kind of store, and one that follows its store while that changes."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from overview_driver import Shown, step
from small_servers import plain_server
from worker_fleet import ServerProcess

import inngest_nb as inb
from inngest_nb import InngestStore, MemoryStore, SqliteStore, StateServer, WorkflowStore
from inngest_nb.notebook.overview._following import Following
from inngest_nb.notebook.overview._overview import _drawn
from inngest_nb.notebook.overview._picture import Picture

PATIENCE = 60  # seconds
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(params=["memory", "file", "state server", "plain server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkflowStore]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "file":
        with SqliteStore(tmp_path / "states.db") as store:
            yield store
    elif request.param == "state server":
        with (
            StateServer(tmp_path / "state.db", port=0) as server,
            InngestStore(base_url=server.url) as client,
        ):
            yield client
    else:
        with plain_server() as plain, InngestStore(base_url=plain.url) as client:
            yield client


def save(store: WorkflowStore, workflow_id: str, status: str = "completed", **fields: Any) -> None:
    """Save a workflow that began ten minutes ago and took one."""
    began = datetime.now(UTC) - timedelta(minutes=10)
    ended = began + timedelta(minutes=1)
    store.save(
        inb.WorkflowState(
            workflow_id=workflow_id,
            run_id="r",
            status=status,  # type: ignore[arg-type]
            created_at=began,
            updated_at=ended,
            history=step("charge_card", began, ended=ended),
            **fields,
        )
    )


def fill(store: WorkflowStore) -> None:
    for number in range(4):
        save(store, f"order-{number}")
    save(store, "import-1", "failed", error="row 7 is wrong")


@pytest.mark.filterwarnings("ignore:.*cannot list what its server keeps")
def test_every_store_has_the_same_overview(store: WorkflowStore) -> None:
    fill(store)
    seen = Shown(inb.overview(store))
    assert seen.headline == "✕ 1 failed"
    assert seen.counts["Started"] == "5 ▲ none before"
    slow = {row["Workflow"]: row for row in seen.tables["Slowest activities"]}
    assert {name: (row["Ended"], row["Half within"]) for name, row in slow.items()} == {
        "order": ("4", "1 min"),
        "import": ("1", "1 min"),
    }
    cannot_list = "Only what this client saved or refreshed: its server cannot list."
    is_plain = isinstance(store, InngestStore) and "cannot list" in seen.text
    assert (cannot_list in seen.text) == is_plain
    assert "timeline" in " ".join(seen.calls)


def test_slow_activities_are_those_of_the_newest_workflows_of_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    fill(store)
    seen = Shown(inb.overview(store))
    assert "newest workflows" not in seen.text
    monkeypatch.setattr("inngest_nb.notebook.overview._reading.MOST_ACTIVE", 2)
    seen = Shown(inb.overview(store))
    assert "Slowest activities of the 2 newest workflows" in seen.text
    assert sum(int(row["Ended"]) for row in seen.tables["Slowest activities"]) == 2


def test_states_and_a_generator_of_them_have_one_too() -> None:
    store = MemoryStore()
    fill(store)
    for given in (store.list(), iter(store.list()), store.load("import-1")):
        assert Shown(inb.overview(given)).headline == "✕ 1 failed"  # type: ignore[arg-type]


class Followed:
    """A store that is followed with short pauses, and its pictures as they come."""

    def __init__(self, store: WorkflowStore) -> None:
        self.following = Following(store, partial(_drawn, store, "24h", timedelta(hours=1)))
        self._pictures: queue.Queue[Picture] = queue.Queue()
        self.following.start(self._changed, shortest=0.01)

    def _changed(self) -> None:
        self._pictures.put(self.following.picture())

    def until(self, wanted: Callable[[Picture], bool]) -> Picture:
        """Return the first picture of a kind."""
        while not wanted(picture := self._pictures.get(timeout=PATIENCE)):
            pass
        return picture


@pytest.fixture
def followed(store: WorkflowStore) -> Iterator[Followed]:
    fill(store)
    followed = Followed(store)
    yield followed
    followed.following.close()
    assert followed.following.done.wait(PATIENCE)


@pytest.mark.filterwarnings("ignore:.*cannot list what its server keeps")
def test_what_is_saved_changes_the_picture(followed: Followed, store: WorkflowStore) -> None:
    followed.until(lambda picture: "1 failed" in picture.verdict.headline)
    save(store, "order-9", "failed", error="no money")
    picture = followed.until(lambda picture: "2 failed" in picture.verdict.headline)
    assert picture.note.startswith("Live: updates until")
    save(store, "order-9")
    followed.until(lambda picture: "1 failed" in picture.verdict.headline)


def test_what_is_closed_says_so_and_stays(tmp_path: Path) -> None:
    store = MemoryStore()
    fill(store)
    followed = Followed(store)
    followed.until(lambda picture: True)
    followed.following.close()
    last = followed.until(lambda picture: picture.note == "No longer updated.")
    assert followed.following.done.wait(PATIENCE)
    assert last.verdict.headline == "1 failed"


def test_a_server_that_is_away_is_asked_again(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "states.db")
    try:
        with InngestStore(server.url) as store:
            fill(store)
            followed = Followed(store)
            followed.until(lambda picture: True)
            server.kill()
            away = followed.until(lambda picture: "; retrying: " in picture.note)
            assert away.note.startswith("As of ")
            assert away.verdict.headline == "1 failed"
            server.start_again()
            save(store, "order-9", "failed", error="no money")
            back = followed.until(lambda picture: "2 failed" in picture.verdict.headline)
            assert back.note.startswith("Live")
            followed.following.close()
            assert followed.following.done.wait(PATIENCE)
    finally:
        server.close()


def test_a_store_that_fails_for_good_is_followed_no_longer(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "states.db")
    fill(store)
    followed = Followed(store)
    followed.until(lambda picture: True)
    store.close()
    last = followed.until(lambda picture: picture.note.startswith("No longer updated: "))
    assert last.verdict.headline == "1 failed"
    assert followed.following.done.wait(PATIENCE)


def test_outside_of_a_kernel_a_live_overview_is_a_picture() -> None:
    store = MemoryStore()
    fill(store)
    view = inb.overview(store, live=True)
    with pytest.raises(NotImplementedError):
        view._ipython_display_()  # type: ignore[attr-defined]
    assert "1 failed" in repr(view)


def test_marimo_asks_for_the_picture_and_is_told_when_it_is_the_last() -> None:
    store = MemoryStore()
    fill(store)
    view: Any = inb.overview(store, live=True)
    shown = view._display_()  # marimo calls it
    assert view._display_() is shown
    assert "1 failed" in shown.html
    assert (shown.asks, shown.over) == (True, False)
    view.close()
    assert view._following.done.wait(PATIENCE)
    shown._handle_custom_msg({"kind": "look"}, [])
    assert "No longer updated." in shown.html
    assert shown.over
    shown.close()


def test_on_a_page_of_voila_a_live_overview_is_a_widget_that_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")  # as Voilà tells its kernels
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    cells = [
        """
import threading
import inngest_nb as inb

store = inb.MemoryStore()
view = inb.overview(store, live=True)
view
""",
        """
from datetime import UTC, datetime

seen = threading.Event()
view._display_().observe(lambda change: "1 failed" in change.new and seen.set(), "html")
now = datetime.now(UTC)
store.save(inb.WorkflowState(workflow_id="one", status="failed", created_at=now, updated_at=now))
assert seen.wait(60)
view
""",
    ]
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    places = [output.data[WIDGET] for cell in notebook.cells for output in cell.outputs]
    assert len(places) == 2  # one in each cell, and both of one widget
    (model_id,) = {place["model_id"] for place in places}
    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert "1 failed" in widgets[model_id]["state"]["html"]
