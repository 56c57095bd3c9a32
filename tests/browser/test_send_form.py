"""The send form, as a person uses it in JupyterLab."""

from collections.abc import Iterator

import pytest
from jupyterlab_driver import LabPage
from playwright.sync_api import expect
from story_server import StoryServer


@pytest.fixture
def inngest() -> Iterator[StoryServer]:
    with StoryServer() as server:
        yield server


def test_an_event_is_sent_once_and_its_run_is_followed(lab: LabPage, inngest: StoryServer) -> None:
    setup = f"import inngest_nb as inb\n\napi = inb.InngestAPI({inngest.url!r})"
    lab.open_cells(setup, "inb.send_form(api)")
    lab.run_all()
    lab.wait_for_widgets()
    form = lab.cell(1)
    name, data = form.get_by_label("Event"), form.get_by_label("Data (JSON; empty is null)")
    name.fill("lab/outputs")
    # The field is left for the button, and what that would have sent nobody saw.
    form.get_by_role("button", name="Send", exact=True).click()
    expect(data).to_have_value('{\n  "kind": "dict-data"\n}')
    expect(form.locator(".inb-starts")).to_contain_text("Starts nb-lab/outputs.")
    sent = [seen for seen in inngest.seen if seen.target.startswith("/e/")]
    assert sent == []
    data.fill('{"kind": 1')
    name.focus()
    expect(form.locator(".inb-payload-flaw")).to_contain_text("line 1, column 11")
    lab.pictures("send-flaw", 800, 1280)
    data.fill('{"kind": "list"}')
    name.fill("lab/order.placed")
    form.get_by_role("button", name="Send", exact=True).dblclick()
    expect(form.locator(".inb-outcome")).to_contain_text('Event "lab/order.placed" sent')
    expect(form.locator(".inb-caused")).to_contain_text("queued")
    sent = [seen for seen in inngest.seen if seen.target.startswith("/e/")]
    assert len(sent) == 1
    with inngest.state.lock:
        run_id = max(inngest.state.runs.rows)
        inngest.state.cancel(run_id)
    expect(form.locator(".inb-caused")).to_contain_text("canceled")
    expect(form.locator(".inb-caused")).to_contain_text(run_id)
    lab.pictures("send-sent", 800, 1280)
    form.get_by_role("button", name="Send another event").click()
    expect(form.get_by_role("button", name="Send", exact=True)).to_be_visible()
