// Shows a picture that changes. Only its parts that differ are replaced, so that what is unfolded,
// selected or scrolled elsewhere stays; what is unfolded in a part that differs is unfolded again.

const PAUSE = 500; // milliseconds

// What comes after the first text of a summary is how much there is.
const label = (details) => details.querySelector("summary")?.firstChild?.textContent;

// Replaces a node by others, of which those are unfolded that were.
function replace(node, ...fresh) {
  const open = [node, ...node.querySelectorAll("details")].filter((one) => one.open).map(label);
  node.replaceWith(...fresh);
  for (const one of fresh.flatMap((part) => [part, ...part.querySelectorAll("details")]))
    if (one.matches("details") && open.includes(label(one))) one.open = true;
}

function render({ model, el }) {
  const place = document.createElement("div");
  el.append(place);
  let shown = [];
  const show = () => {
    const fresh = document.createElement("div");
    fresh.innerHTML = model.get("html");
    const parts = [...fresh.querySelectorAll(".inb > *")];
    const texts = parts.map((part) => part.outerHTML);
    const before = [...el.querySelectorAll(".inb > *")];
    if (texts.length === shown.length)
      texts.forEach((text, number) => {
        if (text !== shown[number]) replace(before[number], parts[number]);
      });
    else replace(el.firstElementChild, fresh);
    shown = texts;
  };
  show();
  model.on("change:html", show);
  const timer = setInterval(() => {
    if (model.get("over") || !model.get("asks")) clearInterval(timer);
    else model.send({ kind: "look" });
  }, PAUSE);
  return () => {
    clearInterval(timer);
    model.off("change:html", show);
  };
}

export default { render };
