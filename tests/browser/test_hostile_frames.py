"""Whatever a workflow is called and says, its frames show it and run nothing."""

from hostile_strings import HOSTILE_STRINGS
from jupyterlab_driver import LabPage
from playwright.sync_api import expect

FILL = f"""
from datetime import UTC, datetime

import pandas as pd

import inngest_nb as inb

pd.set_option("display.max_colwidth", None)
store = inb.MemoryStore()
for number, text in enumerate({HOSTILE_STRINGS!r}):
    started = inb.HistoryEvent(id=1, type="activity_started", activity_name=text, input={{text: text}})
    failed = inb.HistoryEvent(id=2, type="activity_failed", activity_name=text, error=text)
    store.save(
        inb.WorkflowState(
            workflow_id=f"{{number}}{{text}}",
            run_id=text,
            status="failed" if number % 2 else text,
            input=text,
            result=[text],
            error=text,
            history=[started, failed],
            updated_at=datetime.now(UTC),
        )
    )
len(store.list())
"""

VIEWS = (
    "inb.frame(store, payloads=True)",
    "inb.history_frame(store, payloads=True)",
    "inb.activity_frame(store)",
    "inb.frame(store).wf.summary()",
    "inb.frame(store).wf.errors()",
    "inb.frame(store).wf",
    "inb.activity_frame(store).wf.durations()",
    "store.list()[0]",
)


def test_hostile_strings_in_frames_are_shown_and_do_nothing(lab: LabPage) -> None:
    lab.open_cells(FILL.strip(), *VIEWS)
    lab.run_all()
    outputs = [cell.outputs for cell in lab.document().cells]
    assert all(output and output[0].output_type == "execute_result" for output in outputs)
    for number in range(1, len(VIEWS)):
        expect(lab.cell(number).locator("table.dataframe")).to_be_visible()
    expect(lab.cell(1).locator("table.dataframe")).to_contain_text(HOSTILE_STRINGS[0])
    lab.assert_undisturbed()
