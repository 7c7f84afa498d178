// The form of one question. It sends what was typed or chosen, in one message, and shows what Python answers. The truth
// is not here: it comes with the answer.

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
  said.setAttribute("role", "status"); // a screen reader reads what appears here
  const again = make("button", {
    type: "button",
    textContent: "Guess again",
    title: "Answer once more; your first guess stays the one that counts",
  });
  const box = make("div", { className: "mobilenet-guess" }, prompt, form, said, again);

  // JupyterLab and its slide show would take arrow keys, Enter and letters for themselves; they look for this attribute on
  // the very element that has the focus.
  for (const control of box.querySelectorAll("input, button")) control.dataset.lmSuppressShortcuts = "true";

  let acted = false; // whether the learner did something here, so that the focus may follow
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    acted = true;
    model.send({ guess: guess.read() });
  });
  // In JupyterLab the browser does not submit a form by Enter by itself.
  guess.element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  again.addEventListener("click", () => {
    acted = true;
    model.send({ again: true });
  });

  function update() {
    said.innerHTML = model.get("said");
    form.hidden = !model.get("asking");
    again.hidden = model.get("asking");
    if (acted) (form.hidden ? again : guess).focus();
    acted = false;
  }
  // One trait changes with every answer, so that both others are there when the form shows them.
  model.on("change:answers", update);
  update();
  el.append(box);
  return () => model.off("change:answers", update);
}

export default { render };
