"""Run All, as a person would press it, on every notebook of `notebooks/`."""

from pathlib import Path

import pytest
from jupyterlab_driver import LabPage
from walkthroughs import WALKTHROUGHS, complaints


@pytest.mark.parametrize("path", WALKTHROUGHS, ids=lambda path: path.stem)
def test_run_all_leaves_no_cell_unexecuted(path: Path, lab: LabPage) -> None:
    lab.open(path)
    lab.run_all(within=180)
    assert complaints(lab.document()) == []
    lab.wait_for_widgets()
    lab.pictures(path.stem, 800, 1280, 1800)
