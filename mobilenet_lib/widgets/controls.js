// The parts that every explorer is made of: elements, labelled controls, bars, tables.

// A new element. Keys of `attributes` that begin with "on" are event handlers; null and false are left out.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

export const range = (length) => Array.from({ length }, (_, i) => i);
export const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
export const count = (number) => number.toLocaleString("en-US");
export const shape = (numbers) => numbers.join("×");

// The frame of an explorer. Keys go to the focused control: without the attribute, which JupyterLab looks for on that very
// element, arrows would move from cell to cell and Enter would edit the cell.
export function root(el, label) {
  const frame = make("div", {
    class: "mnx", role: "group", "aria-label": label,
    onfocusin: (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"),
  });
  el.replaceChildren(frame);
  return frame;
}

// A slider over a list of choices, equally spaced whatever their values, with the value written beside it, by `say`.
export function choiceSlider({ label, choices, value, onInput, say = String }) {
  const text = make("span", { class: "mnx-value", "aria-hidden": "true" }); // the slider itself says it
  const input = make("input", {
    type: "range", min: 0, step: 1, "aria-label": label, oninput: () => {
      write();
      onInput(current[Number(input.value)]);
    },
  });
  let current = choices;
  const write = () => {
    text.textContent = say(current[Number(input.value)]);
    input.setAttribute("aria-valuetext", text.textContent);
  };
  const set = (newChoices, newValue) => {
    current = newChoices.includes(newValue) ? newChoices : [...newChoices, newValue].sort((a, b) => a - b);
    input.max = current.length - 1;
    input.value = current.indexOf(newValue);
    input.disabled = current.length === 1;
    write();
  };
  set(choices, value);
  return { el: make("label", { class: "mnx-control" }, make("span", {}, label), input, text), set };
}

// A drop-down. `set` takes the value and a function that says which choices are impossible now.
export function choiceList({ label, choices, texts = choices, onChange }) {
  const options = texts.map((text) => make("option", {}, String(text)));
  const list = make("select", { "aria-label": label, onchange: () => onChange(choices[list.selectedIndex]) }, options);
  const set = (value, impossible = () => false) => {
    options.forEach((option, i) => { option.disabled = impossible(choices[i]); });
    list.selectedIndex = choices.indexOf(value);
  };
  return { el: make("label", { class: "mnx-choice" }, make("span", {}, label), list), set };
}

// A row of buttons of which one is pressed. A choice with a `why` cannot be taken and says why when it is tried.
export function choiceButtons({ label, onChoice }) {
  const el = make("div", { class: "mnx-buttons", role: "group", "aria-label": label });
  const set = (choices, value) => {
    const focused = Array.from(el.children).indexOf(document.activeElement);
    el.replaceChildren(...choices.map((choice) => make("button", {
      type: "button", "aria-pressed": String(choice.value === value), "aria-disabled": choice.why ? "true" : null,
      title: choice.why || null, onclick: () => onChoice(choice),
    }, choice.text)));
    el.children[focused]?.focus();
  };
  return { el, set };
}

// Horizontal bars, each with its name before and its number behind it. rows: { name, value, text, pattern, part }.
// The pattern (0 to 4) repeats what the colour says; a part belongs to the row above it.
export function bars(title, rows) {
  const longest = Math.max(...rows.map((row) => row.value));
  const list = rows.map((row) => make("li", { class: row.part ? "mnx-part" : null },
    make("span", { class: "mnx-bar-name" }, row.name),
    make("span", { class: "mnx-bar-track", "aria-hidden": "true" },
      make("span", { class: `mnx-bar mnx-pattern-${row.pattern}`, style: `width: ${(100 * row.value) / longest}%` })),
    make("span", { class: "mnx-bar-text" }, row.text)));
  const long = rows.some((row) => row.text.length > 16);
  return make("div", { class: long ? "mnx-bars mnx-bars-long" : "mnx-bars" }, make("h3", {}, title), make("ul", {}, list));
}

// Sums to follow, a line each: [name, calculation, result].
export function sums(...lines) {
  return make("div", { class: "mnx-sums" }, lines.flatMap(([name, calculation, result]) => (
    [make("span", {}, name), make("span", {}, calculation, make("b", {}, result))])));
}

// A table whose first column names the rows, in a box of its own that scrolls where the page is narrow.
export function table(caption, header, rows) {
  const line = ([name, ...cells]) => make("tr", {}, make("th", { scope: "row" }, name), cells.map((cell) => make("td", {}, cell)));
  return make("div", { class: "mnx-scroll", tabindex: 0, role: "group", "aria-label": caption },
    make("table", {}, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, header.map((name) => (name ? make("th", { scope: "col" }, name) : make("td"))))),
      make("tbody", {}, rows.map(line))));
}

// Runs `update` now and after the model changed: once, also where several values changed together, because
// half of a change may be impossible (fewer channels, and not yet fewer groups). Returns what ends that.
export function follow(model, names, update) {
  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; update(); });
  };
  for (const name of names) model.on(`change:${name}`, later);
  update();
  return () => names.forEach((name) => model.off(`change:${name}`, later));
}

// Set several values of the model and tell Python once.
export function assign(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// A stand-in for the model of a live notebook, for pages without Python.
export function plainModel(values) {
  const listeners = {};
  return {
    get: (name) => values[name],
    set(name, value) {
      if (values[name] === value) return;
      values[name] = value;
      for (const listener of listeners[`change:${name}`] ?? []) listener();
    },
    on: (event, listener) => { (listeners[event] ??= new Set()).add(listener); },
    off: (event, listener) => listeners[event]?.delete(listener),
    save_changes() {},
  };
}
