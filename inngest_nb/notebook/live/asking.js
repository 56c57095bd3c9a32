// Shows a picture, and asks for the next one until the run is over.

const PAUSE = 500; // milliseconds

function render({ model, el }) {
  const show = () => {
    el.innerHTML = model.get("html");
  };
  show();
  model.on("change:html", show);
  const timer = setInterval(() => {
    if (model.get("over")) clearInterval(timer);
    else model.send({ kind: "look" });
  }, PAUSE);
  return () => {
    clearInterval(timer);
    model.off("change:html", show);
  };
}

export default { render };
