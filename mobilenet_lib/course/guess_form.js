// The form of one question. It sends what was typed or chosen, in one message, and shows what Python answers. The truth
// is not here: it comes when the learner asks for it.

const CUT_OFF =
  "The kernel was restarted, so this form reaches nobody any more. Click into its cell and press Shift + Enter for a new " +
  "one. Where a name is missing then, run the cells above first: Run → Run All Above Selected Cell.";
const WAITING =
  "No answer yet. While other cells run, the form waits for them. If the kernel was stopped, run this cell again.";
const PATIENCE = 4000; // milliseconds

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// A text field with its unit, or a group of radio buttons; `read` gives the text, `focus` goes to the first control.
function entry(unit, choices, name, describedBy) {
  if (choices.length) {
    const radios = choices.map((value) => make("input", { type: "radio", name, value }));
    const labels = radios.map((radio, place) => make("label", {}, radio, choices[place]));
    const group = make("fieldset", {}, make("legend", { textContent: "Your guess" }), ...labels);
    group.setAttribute("aria-describedby", describedBy);
    return {
      element: group,
      read: () => radios.find((radio) => radio.checked)?.value ?? "",
      focus: () => (radios.find((radio) => radio.checked) ?? radios[0]).focus(),
    };
  }
  const field = make("input", { type: "text", autocomplete: "off", spellcheck: false, placeholder: "750, 1,500, 1.5M or 1.5e6" });
  field.setAttribute("aria-describedby", describedBy);
  const label = make("label", {}, "Your guess", field, make("span", { textContent: unit }));
  return { element: label, read: () => field.value, focus: () => field.focus() };
}

function render({ model, el }) {
  const name = `mobilenet-guess-${Math.random().toString(36).slice(2)}`; // every form loads this module anew
  const prompt = make("div", { id: `${name}-prompt`, innerHTML: model.get("prompt") });
  const guess = entry(model.get("unit"), model.get("choices"), name, prompt.id);
  const submit = make("button", { type: "submit", textContent: "Submit guess" });
  const form = make("form", { noValidate: true }, guess.element, submit);
  const said = make("div");
  const trouble = make("p", { className: "mobilenet-guess-trouble", hidden: true });
  for (const element of [said, trouble]) element.setAttribute("role", "status"); // read aloud when something appears
  const readings = make("div", { className: "mobilenet-guess-buttons" });
  const show = button("See the truth", { show: true });
  show.className = "mobilenet-guess-main";
  const change = button("Change my guess", { change: true });
  const again = button("Guess again", { again: true });
  again.title = "Answer once more; your first guess stays the one that counts";
  const buttons = make("div", { className: "mobilenet-guess-buttons" }, show, change, again);
  const box = make("div", { className: "mobilenet-guess" }, prompt, form, said, readings, buttons, trouble);

  let acted = false; // whether the learner did something here, so that the focus may follow
  let timer;
  // A new kernel knows nothing of this form. The page marks all models of the old one, and of these the form sees its layout.
  const cutOff = () => model.get("layout")?.comm_live === false;
  function send(message) {
    acted = true;
    clearTimeout(timer);
    timer = setTimeout(() => complain(cutOff() ? CUT_OFF : WAITING), cutOff() ? 0 : PATIENCE);
    model.send(message);
  }
  function complain(text) {
    trouble.textContent = text;
    trouble.hidden = !text;
  }
  function button(textContent, message) {
    const made = keyed(make("button", { type: "button", textContent }));
    made.addEventListener("click", () => send(message));
    return made;
  }
  for (const control of box.querySelectorAll("input, button")) keyed(control);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send({ guess: guess.read() });
  });
  // In JupyterLab the browser does not submit a form by Enter by itself.
  guess.element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

  function update() {
    clearTimeout(timer);
    complain("");
    said.innerHTML = model.get("said");
    readings.replaceChildren(...model.get("readings").map((text) => button(text, { guess: text })));
    const stage = model.get("stage");
    form.hidden = stage !== "asking";
    show.hidden = change.hidden = stage !== "guessed";
    again.hidden = stage !== "shown";
    if (acted) (readings.firstChild ?? { asking: guess, guessed: show, shown: again }[stage]).focus();
    acted = false;
  }
  const look = () => setTimeout(() => complain(cutOff() ? CUT_OFF : "")); // once all are marked
  // One trait changes with every answer, so that the others are there when the form shows them.
  model.on("change:answers", update);
  model.on("comm_live_update", look);
  update();
  el.append(box);
  return () => {
    clearTimeout(timer);
    model.off("change:answers", update);
    model.off("comm_live_update", look);
  };
}

// JupyterLab and its slide show would take arrow keys, Enter and letters for themselves; they look for this attribute on
// the very element that has the focus.
function keyed(control) {
  control.dataset.lmSuppressShortcuts = "true";
  return control;
}

export default { render };
