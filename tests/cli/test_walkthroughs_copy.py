"""The walkthroughs' way from the package into a person's folder."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

# Many cases of what a folder may hold; the command would start JupyterLab for each.
from inngest_nb.cli._walkthroughs import Outcome, copy_walkthroughs

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "01.ipynb").write_text("first")
    (folder / "02.ipynb").write_text("second")
    (folder / ".keep").write_text("")
    (folder / "__pycache__").mkdir()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "lab"


def test_a_new_folder_gets_all_and_a_second_time_nothing(source: Path, folder: Path) -> None:
    both = ["01.ipynb", "02.ipynb"]
    assert copy_walkthroughs(source, folder) == dict.fromkeys(both, Outcome.COPIED)
    assert [file.name for file in sorted(folder.glob("[!.]*"))] == both
    assert (folder / "02.ipynb").read_text() == "second"
    assert copy_walkthroughs(source, folder) == dict.fromkeys(both, Outcome.UNCHANGED)


def test_a_changed_file_is_kept_and_an_untouched_older_copy_is_updated(
    source: Path, folder: Path
) -> None:
    copy_walkthroughs(source, folder)
    (folder / "01.ipynb").write_text("mine")
    assert copy_walkthroughs(source, folder)["01.ipynb"] == Outcome.KEPT
    for name in ("01.ipynb", "02.ipynb"):
        (source / name).write_text("newer")
    for _ in range(2):
        assert copy_walkthroughs(source, folder)["01.ipynb"] == Outcome.KEPT_OLD
        assert (folder / "01.ipynb").read_text() == "mine"
    assert (folder / "02.ipynb").read_text() == "newer"


def test_what_is_updated_is_told_once(source: Path, folder: Path) -> None:
    copy_walkthroughs(source, folder)
    (source / "02.ipynb").write_text("newer")
    assert copy_walkthroughs(source, folder)["02.ipynb"] == Outcome.UPDATED
    assert copy_walkthroughs(source, folder)["02.ipynb"] == Outcome.UNCHANGED


def test_one_that_was_renamed_or_deleted_comes_anew(source: Path, folder: Path) -> None:
    copy_walkthroughs(source, folder)
    (folder / "01.ipynb").rename(folder / "my 01.ipynb")
    assert copy_walkthroughs(source, folder)["01.ipynb"] == Outcome.COPIED
    assert (folder / "01.ipynb").read_text() == "first"
    assert (folder / "my 01.ipynb").read_text() == "first"


def test_a_change_taken_back_is_no_change(source: Path, folder: Path) -> None:
    copy_walkthroughs(source, folder)
    (folder / "01.ipynb").write_text("mine")
    copy_walkthroughs(source, folder)
    (folder / "01.ipynb").write_text("first")
    (source / "01.ipynb").write_text("newer")
    assert copy_walkthroughs(source, folder)["01.ipynb"] == Outcome.UPDATED


@pytest.mark.parametrize("record", ["", "[]", '{"01.ipynb": 7}', "{", "\x00"])
def test_with_a_broken_record_everything_different_is_kept(
    source: Path, folder: Path, record: str
) -> None:
    copy_walkthroughs(source, folder)
    (folder / "01.ipynb").write_text("mine")
    (folder / ".walkthroughs.json").write_text(record)
    outcomes = copy_walkthroughs(source, folder)
    assert outcomes == {"01.ipynb": Outcome.KEPT_OLD, "02.ipynb": Outcome.UNCHANGED}
    assert json.loads((folder / ".walkthroughs.json").read_text()).keys() >= {"02.ipynb"}


def test_files_that_were_there_before_are_kept(source: Path, folder: Path) -> None:
    (folder / "02.ipynb").mkdir(parents=True)
    (folder / "01.ipynb").symlink_to(folder / "nowhere")
    outcomes = copy_walkthroughs(source, folder)
    assert set(outcomes.values()) == {Outcome.KEPT_OLD}
    assert (folder / "01.ipynb").is_symlink()
    assert not (folder / "nowhere").exists()


def test_the_checkouts_own_folder_is_left_as_it_is(source: Path) -> None:
    before = {file.name for file in source.iterdir()}
    assert set(copy_walkthroughs(source, source).values()) == {Outcome.UNCHANGED}
    assert {file.name for file in source.iterdir()} - before <= {".walkthroughs.json"}


def found_by(package: Path) -> str:
    """Ask the package below a folder where its walkthroughs are, whichever is installed here."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from inngest_nb.cli._walkthroughs import walkthroughs; print(walkthroughs())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(package)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_checkout_has_them_beside_the_package() -> None:
    assert found_by(CHECKOUT) == str(CHECKOUT / "notebooks")


def test_a_wheel_brings_them_along(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(CHECKOUT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        wheel.extractall(tmp_path / "site")
    brought = tmp_path / "site" / "inngest_nb" / "walkthroughs"
    ours = {file.name for file in (CHECKOUT / "notebooks").iterdir() if file.is_file()}
    assert {file.name for file in brought.iterdir()} == ours
    assert found_by(tmp_path / "site") == str(brought)
    page = tmp_path / "site" / "inngest_nb" / "cli" / "page"  # what `export` makes pages with
    assert {file.name for file in page.iterdir()} == {"conf.json", "index.html.j2"}
