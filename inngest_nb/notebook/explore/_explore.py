"""One widget in which all workflows of a store can be looked at and acted on."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import ipywidgets as widgets

from inngest_nb.notebook.explore._catalog import Page, Query, find
from inngest_nb.notebook.explore._detail import Detail
from inngest_nb.notebook.explore._feed import Feed
from inngest_nb.notebook.explore._mending import Mending
from inngest_nb.notebook.explore._search import Search
from inngest_nb.notebook.explore._table import COLUMNS, Table, caption, plain_table
from inngest_nb.notebook.forms._form import Form, complaint
from inngest_nb.notebook.page._areas import Area, filling, notice, row
from inngest_nb.notebook.page._html import fragment, output
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore
from inngest_nb.words import left_out_text, short, time_text

__all__ = ["Explore", "explore"]

# Seconds between two looks at the store: after news, and at most, when nothing happens.
_QUICK, _CALM = 2.0, 10.0
_FIRST_TASTE = 0.25  # seconds that a saved notebook's table waits for the whole number


def explore(store: WorkflowStore) -> Explore:
    """Return a widget with all workflows of a store: a table, and beside it the chosen one.

    It follows the store while somebody looks at it. What a saved notebook keeps of it is a table
    of the page that was shown when the cell was run.
    """
    return Explore(store)


class Explore(Form):
    """A table over a store; `explore` makes one."""

    title = "Workflows"
    queues = True

    def __init__(self, store: WorkflowStore) -> None:
        super().__init__(store)
        self.add_class("inb-explore")
        self.layout.max_width = "1800px"
        self._feed = Feed(store)
        self._query, self._page = Query(), find((), Query(), datetime.now(UTC))
        self._drawing = threading.RLock()
        self._reading = threading.Lock()
        self._pause = _QUICK

        self.search = Search(self._search_changed)
        self.table = Table()
        self.table.add_class("inb")
        self.trouble, self.remark = Area("inb-trouble"), Area("inb-remark")
        self.table_trouble = Area("inb-table-trouble")
        self.refresh = self._button("Refresh", "read the store", self._refresh, self.trouble)
        self.look_up = self._button(
            "Look it up", "look the workflow up", self._look_up, self.trouble
        )
        self.live = widgets.Checkbox(description="Live", value=True, indent=False)
        self.live.layout = widgets.Layout(width="auto")
        self.live.add_class("inb-live")
        self.previous, self.next = self._turner("Previous", -1), self._turner("Next", 1)
        self.mending = Mending(store, self._button, self._written)
        self.detail, self.detail_trouble = Detail(self.mending), Area("inb-detail-trouble")
        self._put_together()
        self._guard("read the store", self._feed.begin, self.trouble)
        self._redraw()
        self.detail.show(None, notice("note", "Choose a workflow to see what happened to it"))
        self.table.on_ask(self._asked)
        self.table.observe(lambda _: self._chosen(), "chosen")
        self.live.observe(lambda _: self._redraw(), "value")
        if not self._feed.whole and self._feed.at is not None:
            self._read_soon(self._feed.read_all)

    def wait(self, timeout: float = 30) -> None:
        """Return once nothing is being done or read; raises `TimeoutError`."""
        super().wait(timeout)
        self.mending.wait(timeout)
        if not self._reading.acquire(timeout=timeout):
            raise TimeoutError(f"the store is still being read after {timeout} s")
        self._reading.release()

    def _put_together(self) -> None:
        pager = row(self.previous, self.next, self.remark, self.look_up, align="center")
        left = widgets.VBox((self.table, pager), layout=filling("640px"))
        left.layout.flex = "3 1 640px"
        left.add_class("inb-main")
        right = widgets.VBox((self.detail_trouble, self.detail), layout=filling("360px"))
        right.layout.flex = "2 1 360px"
        right.add_class("inb-side")
        tools = row(*self.search.fields, self.live, self.refresh)
        panes = row(left, right, align="flex-start")
        self._build(tools, self.search.chips, self.trouble, self.table_trouble, panes)

    def _turner(self, text: str, by: int) -> Any:
        button = widgets.Button(description=text, layout=widgets.Layout(width="auto"))
        button.on_click(lambda _: self._step(by))
        return button

    # The table

    def _search_changed(self) -> None:
        found = self.search
        self._ask_for(
            statuses=found.statuses, text=found.text.value, within=found.within.value, page=0
        )

    def _ask_for(self, **changes: Any) -> None:
        with self._drawing:
            self._query = self._query._replace(**changes)
            self._redraw()

    def _redraw(self) -> None:
        self._guard("show the table", self._draw, self.table_trouble)

    def _draw(self) -> None:
        """Show the page that is asked for, of what is known now."""
        with self._drawing:
            now, query, feed = datetime.now(UTC), self._query, self._feed
            page = self._page = find(feed.entries(), query, now)
            self._query = query._replace(page=page.number)
            self.search.count(page.counts)
            self.table.live = bool(self.live.value)
            self.table.show(
                list(page.entries), page.matching, query.sort, descending=query.descending, now=now
            )
            self.previous.disabled = page.number == 0
            self.next.disabled = page.number == page.last
            self.remark.show(fragment("remark", lines=self._remarks(page)))
            unknown = query.text.strip() and not page.entries and feed.whole
            self.look_up.layout.display = "" if unknown else "none"

    def _remarks(self, page: Page) -> list[str]:
        feed = self._feed
        at = f"as of {time_text(feed.at)}" if feed.at else "not read yet"
        lines = [f"{caption(page, self._query, len(feed.entries()), whole=feed.whole)}; {at}"]
        if not feed.lists:
            lines.append(
                "This server cannot list what it keeps: these are the workflows that this client "
                "saved. Type the id of another to look it up."
            )
        if feed.unreadable:
            lines.append(left_out_text(feed.unreadable))
        return lines

    def _asked(self, content: dict[str, Any]) -> None:
        """Answer the table."""
        kind = content.get("kind")
        if kind == "look":
            self._read_soon(self._feed.look, answer=True)
        elif kind == "step":
            self._step(1 if content.get("by") == 1 else -1, choose=True)
        elif kind == "sort":
            first = {key: largest_first for key, _, largest_first in COLUMNS}
            if (by := content.get("by")) in first:
                same = by == self._query.sort
                descending = not self._query.descending if same else first[by]
                self._ask_for(sort=by, descending=descending, page=0)

    def _step(self, by: int, *, choose: bool = False) -> None:
        """Turn the page, and choose the row that one comes to by the arrow keys."""
        before = self._page.number
        self._ask_for(page=max(0, before + by))
        if choose and self._page.entries and self._page.number != before:
            self.table.chosen = self._page.entries[0 if by > 0 else -1].workflow_id

    # Reading the store

    def _refresh(self) -> None:
        self._read_soon(self._feed.read_all)

    def _read_soon(self, read: Callable[[], None], *, answer: bool = False) -> None:
        """Read in a thread of its own, unless somebody is reading."""
        if not self._reading.acquire(blocking=False):
            if answer:
                self.table.looked(timedelta(seconds=self._pause))
            return
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._read, read), daemon=True).start()

    def _read(self, read: Callable[[], None]) -> None:
        try:
            before = self._feed.news
            try:
                read()
            except Exception as error:  # noqa: BLE001  # it is shown, and kept
                self.last_error = error
                self.trouble.show(complaint("read the store", error))
            else:
                self.trouble.show()
            self._redraw()
            news = self._feed.news > before
            self._follow() if news else self.detail.pass_time()
            self._pause = _QUICK if news else min(_CALM, self._pause * 1.5)
        finally:
            self._reading.release()
            self.table.looked(timedelta(seconds=self._pause))

    def _look_up(self) -> None:
        """Ask the store for the id that was typed into the filter."""
        workflow_id = self.search.text.value.strip()
        state = self._store.load(workflow_id)
        if state is None:
            self.trouble.show(notice("note", f"The store has no workflow {short(workflow_id)}"))
            return
        self._feed.put(state)
        self._redraw()
        self.table.chosen = workflow_id

    # The chosen workflow

    def _chosen(self) -> None:
        self._start("show the workflow", self._show, self.detail_trouble, again=True)

    def _follow(self) -> None:
        """Show the chosen workflow anew when the store has something new of it."""
        if self.table.chosen:
            self._chosen()

    def _show(self) -> None:
        if not (workflow_id := self.table.chosen):
            return
        state = self._store.load(workflow_id)
        if self.table.chosen == workflow_id:
            self._put_up(workflow_id, state)

    def _put_up(self, workflow_id: str, state: WorkflowState | None) -> None:
        if state is None:
            gone = notice("note", f"The store has no workflow {short(workflow_id)} any more")
            self.detail.show(None, gone)
        else:
            self.detail.show(state)
        self.mending.turn_to(state)

    def _written(self, workflow_id: str, state: WorkflowState | None) -> None:
        """Show what a form did."""
        if state is None:
            self._feed.drop(workflow_id)
        else:
            self._feed.put(state)
        self._redraw()
        if state is not None and self.table.chosen != workflow_id:
            self.table.chosen = workflow_id
        elif self.table.chosen == workflow_id:
            self._put_up(workflow_id, state)

    # What a notebook keeps

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        if self._reading.acquire(timeout=_FIRST_TASTE):
            self._reading.release()
        bundle: dict[str, Any] = widgets.VBox._repr_mimebundle_(self, **kwargs)
        with self._drawing:
            rows, feed, asked = self.table.page["rows"], self._feed, self.search.says
            words = caption(self._page, self._query, len(feed.entries()), whole=feed.whole)
        notes = [words, asked, f"read {time_text(feed.at)}" if feed.at else "not read"]
        said = "; ".join(note for note in notes if note)
        return bundle | {
            "text/plain": f"{self.title} in {self._store!r}\n{said}\n{plain_table(rows)}",
            "text/html": output(
                "explore",
                title=self.title,
                store=repr(self._store),
                caption=said,
                columns=self.table.columns,
                rows=rows,
                messages=[self.trouble.markup] if self.trouble.markup else [],
            ),
        }
