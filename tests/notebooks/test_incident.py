"""The bundle that the walkthrough 09 opens, and the story that it tells."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import incident
import nbformat
import pytest
from nbclient import NotebookClient
from walkthroughs import FOLDER, code_cells, complaints

import inngest_nb as inb
from inngest_nb import wire
from inngest_nb.samples._names import PEOPLE  # what is redacted

STAND_IN = rb"redacted-[0-9a-f]{8}"
ELSEWHERE = "an address that this notebook must not ask"
OFFLINE = f"""
import socket
def refuse(*_): raise OSError({ELSEWHERE!r})
socket.socket.connect = socket.socket.connect_ex = refuse
"""


@pytest.fixture
def store() -> Iterator[inb.Bundle]:
    with inb.open_bundle(incident.BUNDLE) as bundle:
        yield bundle


def test_it_is_small_and_says_what_it_is(store: inb.Bundle) -> None:
    assert store.info.size == incident.BUNDLE.stat().st_size < 500_000
    assert store.info.redacted == ("input.customer",)
    assert (store.info.author, store.info.source, store.info.left_out) == ("on call", None, 0)


def test_nobody_is_named_in_it() -> None:
    content = incident.BUNDLE.read_bytes()
    customers = {state.input["customer"] for state in incident.orders()}
    assert customers == set(PEOPLE)
    assert [name for name in PEOPLE if name.encode() in content] == []
    assert [name for name in PEOPLE if name.encode("unicode_escape") in content] == []
    assert len(set(re.findall(STAND_IN, content))) == len(PEOPLE)


def test_it_is_what_its_maker_makes(store: inb.Bundle, tmp_path: Path) -> None:
    incident.make(tmp_path / "again.db")
    with inb.open_bundle(tmp_path / "again.db") as again:
        assert documents(again) == documents(store)


def documents(bundle: inb.Bundle) -> list[bytes]:
    return [re.sub(STAND_IN, b"redacted", wire.encode(state)) for state in bundle.list()]


def test_what_the_walkthrough_says_of_it_is_so(store: inb.Bundle) -> None:
    orders = inb.frame(store, fields=["input.release", "input.total"])
    refused = orders[orders["error"].str.contains("bank", na=False)]
    large = orders[orders["input.total"] > 100]
    new = large["input.release"] == "7.5"
    assert set(refused["workflow_id"]) < set(large[new]["workflow_id"])
    assert f"{refused['updated_at'].min():%a %H:%M}" == "Sun 09:48"
    assert not (large[new]["status"] == "completed").any()
    assert (large[~new]["status"] == "completed").mean() > 0.5
    supplier = orders[orders["error"].str.contains("HTTP 503", na=False)]
    assert f"{supplier['updated_at'].max():%a %H:%M}" == "Sat 20:16"
    assert abs((orders["status"] == "failed").mean() - 1 / 3) < 0.02
    activities = inb.activity_frame(store, since="2026-11-29T09:30Z", by="created")
    retries = activities.wf.retries().set_index("activity")[["retried", "saved"]]
    assert retries.loc["charge_card"].tolist() == [18, 1]
    assert retries.loc["reserve_stock"].tolist() == [4, 3]


def test_the_walkthrough_needs_the_bundle_alone_and_changes_nothing(tmp_path: Path) -> None:
    path, bundle = FOLDER / "09_incident.ipynb", tmp_path / incident.BUNDLE.name
    shutil.copyfile(incident.BUNDLE, bundle)
    bundle.chmod(0o400)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(OFFLINE))
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert complaints(notebook) == []
    assert [file.name for file in tmp_path.iterdir()] == [bundle.name]
    assert bundle.read_bytes() == incident.BUNDLE.read_bytes()
    shown = str([cell.outputs for cell in code_cells(notebook)])
    assert "'amount': '122.40'" in shown.replace("\\", "")
    assert str(tmp_path) not in shown
