"""One widget to find, look at, edit and delete the workflows of a store."""

from __future__ import annotations

import contextvars
import gc
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from inngest_nb.api import InngestAPI, RunStore
from inngest_nb.bundles import told_at
from inngest_nb.errors import StoreError
from inngest_nb.history import times_of
from inngest_nb.notebook.explore._acting import Acting
from inngest_nb.notebook.explore._catalog import Query, find
from inngest_nb.notebook.explore._detail import Detail
from inngest_nb.notebook.explore._editing import Editing
from inngest_nb.notebook.explore._opening import feed_of, frame_of, store_in, subject_of
from inngest_nb.notebook.explore._search import Search
from inngest_nb.notebook.explore._table import Table, caption, plain_table
from inngest_nb.notebook.forms import Form, complaint
from inngest_nb.notebook.page import Area, News, bundle, fragment, notice, output, row
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore
from inngest_nb.words import left_out_text, short, store_name, time_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Explore", "explore"]

# Seconds between two looks at the store: after news, and at most, when nothing happens. A store
# that tells when it has changed is looked at then.
_POLL_INTERVAL, _MAX_POLL_INTERVAL = 2.0, 10.0
# Seconds that a saved notebook's table waits for the number of workflows, and of runs, which takes
# long where there are many.
_REPR_TIMEOUT, _REPR_TIMEOUT_OF_RUNS = 0.25, 0.1


def explore(store: WorkflowStore | InngestAPI) -> Explore:
    """Return a widget with all workflows of a store: a table, and beside it the selected one.

        inb.explore(inb.local())
        inb.explore(inb.InngestAPI())

    For a real Inngest server, these are its runs, which can be canceled and rerun there; the page
    opens with the newest ones, and the others are added while you look at them.

    It follows the store while it is on screen. `frame` is a DataFrame of what the filters find,
    `selected` the selected `WorkflowState` (None: none), and `close()` frees everything. A saved
    notebook keeps the page of the table that was shown when the cell ran.

    The filter takes words of an id, workflow, step, status or error, or after `where:` a condition
    as `frame` takes it, such as `where: input.total > 100`, which the store evaluates itself.

    Raises `TypeError` for anything but a store or an `InngestAPI`.
    """
    return Explore(store)


class Explore(Form):
    """A table over a store; `explore` makes one."""

    title = "Workflows"
    purpose = "explore"
    queues = True
    _closed = True  # until it is made

    def __init__(self, store: WorkflowStore | InngestAPI) -> None:
        store = store_in(store)
        super().__init__(store)
        self.add_class("inb-explore")
        self.layout.max_width = "1800px"
        self._subject = subject_of(store)
        self.title = self._subject.title
        self._feed = feed_of(store, self._redraw)
        self._query, self._page = Query(), find((), Query(), told_at(store))
        self._drawing = threading.RLock()
        self._reading, self._waiting = threading.Lock(), threading.Lock()
        self._news = News(store)
        self._pause = _POLL_INTERVAL
        self._closed = False

        self.search = Search(self._search_changed, self._subject.searched)
        self.table = Table(self._subject)
        self.table.add_class("inb")
        self.trouble, self.remark = Area("inb-trouble"), Area("inb-remark")
        self.misread, self.missing = Area("inb-misread"), Area("inb-missing")
        self.table_trouble = Area("inb-table-trouble")
        self.refresh = self._button("Refresh", "read the store", self._refresh, self.trouble)
        self.look_up = self._button("Look up id", "look up the id", self._look_up, self.missing)
        width = widgets.Layout(width="auto")
        self.live = widgets.Checkbox(True, description="Live", indent=False, layout=width)
        self.live.add_class("inb-live")
        changing: Any = Acting if isinstance(store, RunStore) else Editing
        self.editing = changing(store, self._button, self._written)
        self.detail, self.detail_trouble = Detail(self.editing, store), Area("inb-detail-trouble")
        self._put_together()
        self._guard("read the store", self._feed.begin, self.trouble)
        self._redraw()
        self.detail.show(None, notice("note", f"Select a {self._subject.noun} to see its details"))
        self.table.on_ask(self._asked)
        self.table.observe(lambda _: self._follow(), "chosen")
        self.live.observe(lambda _: self._redraw(), "value")
        if not self._feed.whole and self._feed.at is not None:
            self._read_soon(self._feed.read_all)

    @property
    def selected(self) -> WorkflowState | None:
        """The selected workflow as the store had it when it was last read, or None."""
        return None if self._closed else self.detail.state

    @property
    def frame(self) -> pd.DataFrame:
        """Everything that the filters find, read anew, as `inngest_nb.frame` returns it.

        It has all pages, one row per workflow, in the order of the table. `attrs["filter"]` says
        what was filtered. For runs, each trace is read, a few at a time. Raises a `StoreError` if
        the store does not answer, and an `InngestError` if a real Inngest server does not.
        """
        return frame_of(self._store, self._feed, self._query)

    def close(self) -> None:
        """Close the widget with everything in it, and let go of what it read."""
        if self._closed:
            return
        self._closed = True
        self._feed.close()
        if isinstance(self.editing, Acting):
            self.editing.stop()
        with self._drawing:
            self._page = find((), self._query, told_at(self._store))
            super().close()
        # Widgets hold each other. Freed later, amid what the next explorer reads, they would leave
        # holes that keep its memory from being given back.
        gc.collect()

    def wait(self, timeout: float = 30) -> None:
        """Return once nothing is being done or read; raises `TimeoutError`."""
        super().wait(timeout)
        if not self._closed:
            self.editing.wait(timeout)
        if not self._reading.acquire(timeout=timeout):
            raise TimeoutError(f"the store is still being read after {timeout} s")
        self._reading.release()

    def _put_together(self) -> None:
        said = row(self.remark, self.look_up, align="center")
        left = widgets.VBox((self.table_trouble, self.table, said, self.missing))
        left.add_class("inb-main")
        right = widgets.VBox((self.detail_trouble, self.detail))
        right.add_class("inb-side")
        tools = row(*self.search.fields, self.live, self.refresh)
        panes = widgets.Box((left, right))
        panes.add_class("inb-panes")
        self._build(tools, self.misread, self.search.chips, self.trouble, panes)

    # The table

    def _search_changed(self) -> None:
        """Show what the filters find; what a condition finds comes when the store has searched.

        While it cannot be understood, the table stays as it was.
        """
        found, where = self.search, self.search.condition
        self.missing.show()
        self.misread.show(found.misread())
        asked = {"statuses": found.statuses, "within": found.within.value, "page": 0}
        if not where:
            asked |= {"text": found.words, "where": "", "among": None}
        self._ask_for(**asked)
        if where and where != self._query.where and not self.misread.markup:
            search = partial(self._find, where)
            self._start("search the store", search, self.misread, again=True)

    def _find(self, where: str) -> None:
        """Let the store search, and show what it finds if that is still wanted."""
        among = self._feed.find(where)
        with self._drawing:
            asked = {"text": "", "where": where, "among": among}
            if where == self._query.where:
                self._ask_for(**asked)
            elif where == self.search.condition:
                self._ask_for(**asked, page=0)

    def _ask_for(self, **changes: Any) -> None:
        with self._drawing:
            self._query = self._query._replace(**changes)
            self._redraw()

    def _redraw(self) -> None:
        with self._drawing:
            if not self._closed:
                self._guard("show the table", self._draw, self.table_trouble)

    def _draw(self) -> None:
        """Show the page that is asked for, of what is known now."""
        now, query, feed = told_at(self._store), self._query, self._feed
        page = self._page = find(feed.entries(), query, now)
        self._query = query._replace(page=page.number)
        self.search.count(page.counts, whole=feed.whole, grows=feed.grows)
        self.table.live = bool(self.live.value)
        self.table.show(page, self._query, now, grows=feed.grows and not feed.whole)
        self.remark.show(fragment("remark", lines=self._remarks()))
        unknown = query.text.strip() and not page.entries and feed.whole
        self.look_up.layout.display = "" if unknown else "none"

    def _caption(self) -> str:
        feed = self._feed
        known, noun = len(feed.entries()), self._subject.noun
        return caption(self._page, self._query, known, noun, whole=feed.whole, grows=feed.grows)

    def _remarks(self) -> list[str]:
        feed = self._feed
        lines = [self._caption() + (f"; as of {time_text(feed.at)}" if feed.at else "")]
        if not feed.whole and feed.at:
            lines.append("The rest is still being read")
        if not feed.lists:
            lines.append(
                "This server cannot list workflows: only those saved by this client are shown. "
                "To see another, type its id and press Look up id."
            )
            if self._query.where:
                lines.append("It cannot search them either, so the condition was checked here")
        if feed.unreadable:
            lines.append(left_out_text(feed.unreadable))
        return lines

    def _asked(self, content: dict[str, Any]) -> None:
        """Answer the table."""
        kind = content.get("kind")
        if kind == "look":
            self._read_soon(self._feed.look, answer=True)
        elif kind == "page":
            if isinstance(number := content.get("number"), int):
                self._ask_for(page=max(0, number))
        elif kind == "step":
            self._step(1 if content.get("by") == 1 else -1)
        elif kind == "sort":
            first = {key: largest_first for key, _, largest_first in self._subject.columns}
            if (by := content.get("by")) in first:
                same = by == self._query.sort
                descending = not self._query.descending if same else first[by]
                self._ask_for(sort=by, descending=descending, page=0)

    def _step(self, by: int) -> None:
        """Turn the page by the arrow keys, and select the row that they come to."""
        before = self._page.number
        self._ask_for(page=max(0, before + by))
        if self._page.entries and self._page.number != before:
            self.table.chosen = self._page.entries[0 if by > 0 else -1].head.workflow_id

    # Reading the store

    def _refresh(self) -> None:
        self._read_soon(self._feed.read_all)

    def _read_soon(self, read: Callable[[], None], *, answer: bool = False) -> None:
        """Read in a thread of its own, unless somebody is reading."""
        if self._closed:
            return
        if not self._reading.acquire(blocking=False):
            if answer:  # whoever is reading answers too, at the end
                pause = _MAX_POLL_INTERVAL if self._feed.grows else self._pause
                self.table.looked(timedelta(seconds=pause))
            return
        run = contextvars.copy_context().run
        # With the parts that it shows something in: `close` may let go of them meanwhile.
        parts = self.trouble, self.detail, self.table
        threading.Thread(target=run, args=(self._read, read, *parts), daemon=True).start()

    def _read(self, read: Callable[[], None], trouble: Area, detail: Detail, table: Table) -> None:
        try:
            before = self._feed.news
            try:
                read()
                if self._query.where and self._feed.news > before:
                    self._find(self._query.where)
            except Exception as error:  # noqa: BLE001  # it is shown, and kept
                self.last_error = error
                trouble.show(complaint("read the store", error))
            else:
                trouble.show()
            self._redraw()
            news = self._feed.news > before or self._has_open_steps()
            self._follow() if news else detail.pass_time()
            self._pause = _POLL_INTERVAL if news else min(_MAX_POLL_INTERVAL, self._pause * 1.5)
        finally:
            self._reading.release()
            given = self._news, self._waiting, table, self._pause
            threading.Thread(target=_answer, args=given, daemon=True).start()

    def _has_open_steps(self) -> bool:
        """Tell whether the selected workflow may proceed without a change of its entry."""
        state = self.detail.state if self._feed.grows else None
        return state is not None and times_of(state).is_open

    def _look_up(self) -> None:
        """Load the workflow whose id was typed into the filter."""
        workflow_id = self._query.text.strip()
        state = self._store.load(workflow_id)
        if state is None:
            self.missing.show(
                notice("note", f"No {self._subject.noun} {short(workflow_id)} in the store")
            )
            return
        self._feed.put(state)
        self._redraw()
        self.table.chosen = workflow_id

    # The selected workflow

    def _follow(self) -> None:
        """Show the selected workflow as the store has it now."""
        if not self._closed and self.table.chosen:
            self._start("show the workflow", self._show, self.detail_trouble, again=True)

    def _show(self) -> None:
        if self._closed or not (workflow_id := self.table.chosen):
            return
        state = self._store.load(workflow_id)
        if self.table.chosen == workflow_id:
            self._show_state(workflow_id, state)

    def _show_state(self, workflow_id: str, state: WorkflowState | None) -> None:
        if self._closed:
            return
        if state is None:
            what = f"{self._subject.noun.title()} {short(workflow_id)}"
            gone = notice("note", f"{what} is no longer in the store")
            self.detail.show(None, gone)
        else:
            self.detail.show(state)
        self.editing.show(state)

    def _written(self, workflow_id: str, state: WorkflowState | None) -> None:
        """Show what a form did."""
        if state is None:
            self._feed.drop(workflow_id)
        else:
            self._feed.put(state)
        if self._closed:
            return
        self._redraw()
        if state is not None and self.table.chosen != workflow_id:
            self.table.chosen = workflow_id
        elif self.table.chosen == workflow_id:
            self._show_state(workflow_id, state)

    # What a notebook keeps

    def _snapshot(self, note: str) -> dict[str, str]:
        timeout = _REPR_TIMEOUT_OF_RUNS if self._feed.grows else _REPR_TIMEOUT
        if self._reading.acquire(timeout=timeout):
            self._reading.release()
        with self._drawing:
            rows, feed, asked = self.table.rows, self._feed, self.search.says(self._query)
            words = self._caption()
        notes = [words, asked, f"as of {time_text(feed.at)}" if feed.at else ""]
        said = "; ".join(note for note in notes if note)
        store = store_name(self._store)
        html = output(
            "explore",
            title=self.title,
            store=store,
            caption=said,
            columns=self.table.columns,
            rows=rows,
            messages=[self.trouble.markup] if self.trouble.markup else [],
            note=note,
        )
        return bundle(
            html, f"{self.title} in {store}\n{said}\n{plain_table(self.table.columns, rows)}"
        )


def _answer(news: News, waiting: threading.Lock, table: Table, pause: float) -> None:
    """Answer a look once the next one is worth while: when the store has changed, if it tells.

    While somebody waits for that, whoever else has looked gets the same answer. The explorer itself
    is not held meanwhile, so that it can be closed and freed.
    """
    if not waiting.acquire(blocking=False):
        return
    begun = time.monotonic()
    try:
        news.wait(_MAX_POLL_INTERVAL)
        if news.can_tell:
            pause = max(0.0, _POLL_INTERVAL - (time.monotonic() - begun))
    except StoreError:
        pass  # the next look shows it
    finally:
        waiting.release()
    table.looked(timedelta(seconds=pause))
