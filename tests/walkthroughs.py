"""The notebooks of `notebooks/`, and what counts as a cell that ran."""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "notebooks"
WALKTHROUGHS = sorted(FOLDER.glob("*.ipynb"))
BESIDE = sorted(FOLDER.glob("*.db"))  # what they open where they are


def code_cells(notebook: Any) -> list[Any]:
    """Return the cells that hold code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def complaints(notebook: Any) -> list[str]:
    """Return what went wrong in a notebook that was run: nothing may, not even a warning."""
    found = []
    for cell in code_cells(notebook):
        where = f"in the cell {cell.source.splitlines()[0]!r}"
        if cell.execution_count is None:
            found.append(f"not executed {where}")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"{output.ename}: {output.evalue} {where}")
            elif output.get("name") == "stderr":
                found.append(f"stderr {output.text!r} {where}")
    return found
