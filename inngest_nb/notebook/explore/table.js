// Draws one page of a table, and says what people do to it. Every text is set as text.

const make = (name, className, parent, text = "") => {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  parent.append(node);
  return node;
};

// Seconds, and the unit from there on.
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
const MONTH = 30 * 86400;

const ago = (seconds) => {
  if (seconds < 1) return "just now";
  const [size, unit] = UNITS.find(([size]) => seconds >= size);
  return `${Math.floor(seconds / size)} ${unit} ago`;
};

// The numbers around a page with the first and the last; null where some are left out.
const numbers = (number, last) => {
  const wanted = [0, number - 1, number, number + 1, last].filter((n) => n >= 0 && n <= last);
  const sorted = [...new Set(wanted)].sort((a, b) => a - b);
  return sorted.flatMap((n, i) => (i > 0 && n > sorted[i - 1] + 1 ? [null, n] : [n]));
};

function render({ model, el }) {
  el.classList.add("inb-pane");
  const prefix = `inb-${Math.random().toString(36).slice(2)}-`;
  const scroller = make("div", "inb-scroll", el);
  const table = make("table", "inb-table", scroller);
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", model.get("label"));
  table.tabIndex = 0;
  table.dataset.lmSuppressShortcuts = "true"; // keys are for the table, not for JupyterLab
  const headings = table.createTHead().insertRow();
  const body = table.createTBody();
  const pages = make("nav", "inb-pages", el);
  pages.setAttribute("aria-label", "Pages");
  const columns = model.get("columns");
  let skew = 0; // of the browser's clock beside the kernel's, in seconds
  let shown; // the number of the page that was drawn last

  const sorters = columns.map(([key, text]) => {
    const heading = make("th", `inb-col-${key}`, headings);
    heading.scope = "col";
    const button = make("button", "", heading);
    button.dataset.lmSuppressShortcuts = "true"; // JupyterLab 4.4 asks what has the focus first
    button.addEventListener("click", () => model.send({ kind: "sort", by: key }));
    return { key, text, heading, button };
  });

  const rows = () => model.get("rows") ?? [];
  const place = () => rows().findIndex((row) => row.id === model.get("chosen"));

  const choose = (index) => {
    model.set("chosen", rows()[index].id);
    model.save_changes();
  };

  const mark = () => {
    const chosen = place();
    [...body.rows].forEach((row, index) =>
      row.setAttribute("aria-selected", String(index === chosen)),
    );
    if (chosen < 0) table.removeAttribute("aria-activedescendant");
    else table.setAttribute("aria-activedescendant", prefix + chosen);
    return body.rows[chosen];
  };
  const follow = () => mark()?.scrollIntoView({ block: "nearest" });

  const retime = () => {
    const now = Date.now() / 1000 - skew;
    rows().forEach(({ updated }, index) => {
      const cell = body.rows[index]?.querySelector(".inb-col-updated");
      const age = now - updated; // a time further ahead than clocks differ is shown as it is
      if (cell && updated !== null && age > -60)
        cell.textContent = age < MONTH ? ago(age) : cell.title.slice(0, 10);
    });
  };
  const setClock = () => {
    skew = Date.now() / 1000 - model.get("now");
    retime();
  };

  const turn = (number) => model.send({ kind: "page", number });
  let turned = ""; // a button that is drawn anew while it is pressed is not clicked
  const drawPages = (number = 0, last = 0) => {
    if (turned === `${number}/${last}`) return;
    turned = `${number}/${last}`;
    const label = document.activeElement?.getAttribute("aria-label");
    const held = pages.contains(document.activeElement);
    pages.replaceChildren();
    pages.hidden = last === 0;
    const add = (text, name, to) => {
      const button = make("button", "", pages, text);
      button.setAttribute("aria-label", name);
      button.disabled = to < 0 || to > last;
      button.dataset.lmSuppressShortcuts = "true";
      if (to === number) button.setAttribute("aria-current", "page");
      button.addEventListener("click", () => turn(to));
    };
    add("‹", "Previous page", number - 1);
    for (const n of numbers(number, last)) {
      if (n === null) make("span", "", pages, "…");
      else add((n + 1).toLocaleString("en"), `Page ${n + 1}`, n);
    }
    add("›", "Next page", number + 1);
    // What was pressed keeps the keyboard, though every button is another one.
    if (held) pages.querySelector(`[aria-label="${label}"]:enabled`)?.focus();
  };

  const drawRows = () => {
    body.replaceChildren();
    rows().forEach(({ cells, mark: sign, tone, error, name }, index) => {
      const row = make("tr", `inb-${tone}`, body);
      row.id = prefix + index;
      row.addEventListener("click", () => choose(index));
      cells.forEach((text, column) => {
        const key = columns[column][0];
        const cell = make("td", `inb-col-${key}`, row);
        const inside = column === 0 ? make("span", "inb-pill", cell) : cell;
        if (column === 0) make("span", "inb-mark", inside, sign + " ");
        inside.append(text);
        cell.title = { error, workflow: name }[key] ?? text;
      });
    });
    retime();
    mark();
  };

  const drawPage = () => {
    const { total, sort, descending, number, last } = model.get("page");
    table.setAttribute("aria-rowcount", total ?? 0);
    for (const { key, text, heading, button } of sorters) {
      const order = key === sort ? (descending ? "descending" : "ascending") : "none";
      heading.setAttribute("aria-sort", order);
      button.textContent = text + { none: "", ascending: " ▲", descending: " ▼" }[order];
    }
    drawPages(number, last);
    if (shown !== number) scroller.scrollTop = 0;
    shown = number;
  };

  const step = (by) => model.send({ kind: "step", by });
  const move = (to) => {
    if (to < 0) step(-1);
    else if (to >= rows().length) step(1);
    else choose(to);
  };
  const keys = {
    ArrowDown: () => move(place() + 1),
    ArrowUp: () => move(place() < 0 ? 0 : place() - 1),
    Home: () => move(0),
    End: () => move(rows().length - 1),
    PageDown: () => step(1),
    PageUp: () => step(-1),
  };
  table.addEventListener("keydown", (event) => {
    if (event.target !== table || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!keys[event.key] || rows().length === 0) return;
    event.preventDefault();
    keys[event.key]();
  });

  let timer;
  const wait = (seconds) => {
    clearTimeout(timer);
    timer = setTimeout(look, seconds * 1000);
  };
  const look = () => {
    const seen = el.isConnected && !document.hidden && el.getClientRects().length > 0;
    if (seen) retime();
    if (seen && model.get("live")) model.send({ kind: "look" });
    else wait(1);
  };
  const answered = (message) => {
    if (message.kind === "looked") wait(message.pause);
  };

  const heard = { "change:rows": drawRows, "change:page": drawPage };
  Object.assign(heard, { "change:now": setClock, "change:chosen": follow });
  heard["msg:custom"] = answered;
  for (const [event, call] of Object.entries(heard)) model.on(event, call);
  drawRows();
  drawPage();
  setClock();
  wait(2);
  return () => {
    clearTimeout(timer);
    for (const [event, call] of Object.entries(heard)) model.off(event, call);
  };
}

export default { render };
