// A file from the learner's machine. It goes to the kernel as bytes, and nowhere else; Python replies with a page.

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function render({ model, el }) {
  const file = make("input", { type: "file", accept: "image/*" });
  const label = make("label", {}, "Your photo", file);
  const invert = make("input", { type: "checkbox" });
  const light = make("label", {}, invert, "its ground is lighter than the object: swap light and dark");
  const status = make("div", { className: "mobilenet-status" });
  const said = make("div");
  for (const element of [status, said]) element.setAttribute("role", "status"); // read aloud when it changes
  const box = make("div", { className: "mobilenet-photo" }, label, light, status, said);

  // JupyterLab and its slide show would take keys for themselves; they look for this attribute on what has the focus.
  for (const control of [file, invert]) control.dataset.lmSuppressShortcuts = "true";

  let sent = 0; // a slow file must not overtake the one chosen after it
  async function send() {
    const chosen = file.files[0];
    if (!chosen) return;
    const turn = ++sent;
    said.replaceChildren();
    if (chosen.size > model.get("most_bytes")) {
      status.textContent =
        `${chosen.name} has ${megabytes(chosen.size)}; the way from this page to Python takes ${megabytes(model.get("most_bytes"))}. ` +
        "Make the image smaller, or give its path: photos.prepare(\"…\").";
      return;
    }
    status.textContent = `Looking at ${chosen.name} …`;
    let bytes;
    try {
      bytes = await chosen.arrayBuffer();
    } catch (problem) {
      status.textContent = `${chosen.name} could not be read: ${problem.message}. Choose it again.`;
      return;
    }
    if (turn === sent) model.send({ name: chosen.name, invert: invert.checked }, undefined, [bytes]);
  }
  file.addEventListener("change", send);
  invert.addEventListener("change", send);

  const swap = make("button", { type: "button", textContent: "Swap light and dark" });
  swap.dataset.lmSuppressShortcuts = "true";
  swap.addEventListener("click", () => {
    invert.checked = true;
    send();
  });

  function update() {
    said.innerHTML = model.get("said");
    if (model.get("offer")) said.append(swap);
    status.textContent = "";
  }
  model.on("change:replies", update);
  if (model.get("replies")) update();
  el.append(box);
  return () => model.off("change:replies", update);
}

export default { render };
