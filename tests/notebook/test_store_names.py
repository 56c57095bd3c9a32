"""A store of someone else is named by its class: its repr may hold a password."""

from __future__ import annotations

import json
from typing import Any

import pytest
from form_driver import every_widget
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import inngest_nb as inb
from inngest_nb import MemoryStore, WorkflowState


class TellingStore(MemoryStore):
    """A store whose repr holds the address of its database."""

    def __repr__(self) -> str:
        return "TellingStore('postgres://ann:hunter2@db/states')"


def shown(view: Any) -> str:
    """Return all that a notebook could keep of a view."""
    states = [each.get_state() for each in every_widget(view)]
    return json.dumps([repr(view), view._repr_mimebundle_(), states], default=str)


@pytest.mark.parametrize("make", [inb.explore, inb.save_form, inb.delete_form, inb.signal_form])
def test_no_view_shows_the_repr_of_a_store_of_someone_else(make: Any) -> None:
    store = TellingStore()
    store.save(WorkflowState(workflow_id="order-1", run_id="r"))
    view = make(store)
    view.wait()
    text = shown(view)
    view.close()
    assert "hunter2" not in text
    assert "TellingStore()" in text


def test_neither_do_a_replay_nor_a_magic_nor_a_frame() -> None:
    store = TellingStore()
    view = inb.replay(WorkflowState(workflow_id="order-1"), inb.samples.order, store=store)
    assert "hunter2" not in shown(view)
    view.close()
    shell = InteractiveShell.instance()
    inb.load_ipython_extension(shell)
    shell.user_ns["telling"] = store
    with pytest.raises(UsageError, match=r"no workflow 'order-9' in TellingStore\(\);"):
        shell.run_line_magic("workflow", "order-9 --store telling")
    assert inb.frame(store).attrs["source"] == "TellingStore()"
