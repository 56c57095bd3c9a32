"""Run All, as a person would press it, on every notebook of `notebooks/`."""

from pathlib import Path

import pytest
from jupyterlab_driver import LabPage
from walkthroughs import WALKTHROUGHS, complaints

VIEWS = (("light", 1280), ("dark", 1280), ("light", 800), ("dark", 1800))


@pytest.mark.parametrize("path", WALKTHROUGHS, ids=lambda path: path.stem)
def test_run_all_leaves_no_cell_unexecuted(path: Path, lab: LabPage) -> None:
    lab.open(path)
    lab.run_all(within=180)
    assert complaints(lab.document()) == []
    lab.wait_for_widgets()
    for theme, width in VIEWS:
        lab.theme(theme)
        lab.resize(width)
        lab.screenshot(f"{path.stem}-{theme}-{width}", whole=True)
