// Draws one page of a table, and says what people do to it. Every text is set as text.

const make = (name, className, parent) => {
  const node = document.createElement(name);
  node.className = className;
  parent.append(node);
  return node;
};

function render({ model, el }) {
  const prefix = `inb-${Math.random().toString(36).slice(2)}-`;
  const table = make("table", "inb-table", el);
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", "Workflows");
  table.tabIndex = 0;
  table.dataset.lmSuppressShortcuts = "true"; // keys are for the table, not for JupyterLab
  const headings = table.createTHead().insertRow();
  const body = table.createTBody();
  const columns = model.get("columns");

  const sorters = columns.map(([key, text]) => {
    const heading = make("th", `inb-col-${key}`, headings);
    heading.scope = "col";
    const button = make("button", "", heading);
    button.dataset.lmSuppressShortcuts = "true"; // JupyterLab 4.4 asks what has the focus first
    button.addEventListener("click", () => model.send({ kind: "sort", by: key }));
    return { key, text, heading, button };
  });

  const rows = () => model.get("page").rows ?? [];
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
  };

  const draw = () => {
    const { total, sort, descending } = model.get("page");
    table.setAttribute("aria-rowcount", total ?? 0);
    for (const { key, text, heading, button } of sorters) {
      const order = key === sort ? (descending ? "descending" : "ascending") : "none";
      heading.setAttribute("aria-sort", order);
      button.textContent = text + { none: "", ascending: " ▲", descending: " ▼" }[order];
    }
    body.replaceChildren();
    rows().forEach(({ cells, mark: sign, tone }, index) => {
      const row = make("tr", `inb-${tone}`, body);
      row.id = prefix + index;
      row.addEventListener("click", () => choose(index));
      cells.forEach((text, column) => {
        const cell = make("td", `inb-col-${columns[column][0]}`, row);
        if (column === 0) make("span", "inb-mark", cell).textContent = sign + " ";
        cell.append(text);
        cell.title = text;
      });
    });
    mark();
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
    if (seen && model.get("live")) model.send({ kind: "look" });
    else wait(1);
  };
  const answered = (message) => {
    if (message.kind === "looked") wait(message.pause);
  };

  model.on("change:page", draw);
  model.on("change:chosen", mark);
  model.on("msg:custom", answered);
  draw();
  wait(2);
  return () => {
    clearTimeout(timer);
    model.off("change:page", draw);
    model.off("change:chosen", mark);
    model.off("msg:custom", answered);
  };
}

export default { render };
