// The groups explorer: which input channels feed which output channels, and what that does to the weights.

import { conv2dCost, legalGroups, nearestGroups, whyNotGroups } from "./arithmetic.js";
import { assign, bars, choiceButtons, choiceSlider, count, follow, make, range, root, sums } from "./controls.js";
import { svg } from "./svg.js";

const SLIDERS = {
  in_channels: { label: "Input channels", choices: range(12).map((i) => i + 1) },
  out_channels: { label: "Output channels", choices: range(12).map((i) => i + 1) },
  kernel_size: { label: "Kernel size k", choices: [1, 3, 5, 7] },
  input_size: { label: "Input height and width", choices: [1, 4, 8, 14, 28, 56, 112] },
};
const NAMES = [...Object.keys(SLIDERS), "groups"];
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const DASHES = ["", "7 4", "2 3", "10 3 2 3"];
const [LEFT, RIGHT, GAP] = [100, 340, 30]; // of the drawing, in its own units

// A line from every input channel to every output channel of its group.
function connections({ in_channels, out_channels, groups }) {
  const rows = Math.max(in_channels, out_channels);
  const height = (rows + 1) * GAP;
  const y = (channel, channels) => 45 + ((channel + 0.5) * rows * GAP) / channels;
  const [inputs, outputs] = [in_channels / groups, out_channels / groups];
  const drawn = range(groups).flatMap((group) => {
    const style = { stroke: COLOURS[group % COLOURS.length], "stroke-dasharray": DASHES[group % DASHES.length] };
    return range(inputs).flatMap((i) => range(outputs).map((o) => svg("line", {
      x1: LEFT + 14, y1: y(group * inputs + i, in_channels), x2: RIGHT - 14, y2: y(group * outputs + o, out_channels), ...style,
    })));
  });
  const nodes = (channels, x, size) => range(channels).flatMap((channel) => [
    svg("circle", { cx: x, cy: y(channel, channels), r: 13, stroke: COLOURS[Math.floor(channel / size) % COLOURS.length] }),
    svg("text", { x, y: y(channel, channels) + 5 }, String(channel)),
  ]);
  const names = range(groups).map((group) => svg("text", {
    class: "mnx-group-name", x: LEFT - 24, y: y((group + 0.5) * inputs - 0.5, in_channels) + 5,
  }, `group ${group}`));
  return svg("svg", {
    viewBox: `0 0 ${RIGHT + 40} ${height + 25}`, class: "mnx-drawing", role: "img", style: `width: ${(RIGHT + 40) / 17}em`,
    "aria-label": `${groups} groups: each output channel reads ${inputs} of ${in_channels} input channels`,
  }, svg("text", { x: LEFT, y: 20 }, "input"), svg("text", { x: RIGHT, y: 20 }, "output"), ...drawn,
  ...names, ...nodes(in_channels, LEFT, inputs), ...nodes(out_channels, RIGHT, outputs));
}

// The weights as a table of output × input channels: a k×k kernel where they are connected, nothing elsewhere.
function weights({ in_channels, out_channels, groups, kernel_size }) {
  const [inputs, outputs] = [in_channels / groups, out_channels / groups];
  const cell = (out, input) => {
    const group = Math.floor(out / outputs);
    const connected = group === Math.floor(input / inputs);
    return make("td", connected ? { class: "mnx-kernel-cell", style: `--colour: ${COLOURS[group % COLOURS.length]}` } : {},
      connected ? `${kernel_size}×${kernel_size}` : "");
  };
  return make("div", { class: "mnx-scroll", tabindex: 0, role: "group", "aria-label": "the kernels" },
    make("table", { class: "mnx-weights" },
      make("caption", {}, "A kernel for each connected pair"),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "out \\ in"),
        range(in_channels).map((input) => make("th", { scope: "col" }, String(input))))),
      make("tbody", {}, range(out_channels).map((out) => make("tr", {},
        make("th", { scope: "row" }, String(out)), range(in_channels).map((input) => cell(out, input)))))));
}

function render({ model, el }) {
  const note = make("p", { class: "mnx-note", role: "status" });
  const impossible = make("p", { class: "mnx-quiet" });
  const results = make("div");
  const live = make("p", { class: "mnx-hidden", "aria-live": "polite" });
  const settings = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)]));
  const costOf = (now, groups) => conv2dCost({
    inChannels: now.in_channels, outChannels: now.out_channels, kernelSize: now.kernel_size, inputSize: now.input_size, groups,
  });

  function change(values) {
    const { in_channels, out_channels, groups } = { ...settings(), ...values };
    const [possible, why] = nearestGroups(groups, in_channels, out_channels);
    note.textContent = why;
    assign(model, { ...values, groups: possible });
  }

  const buttons = choiceButtons({
    label: "Groups",
    onChoice: ({ value, why }) => {
      if (!why) return change({ groups: value });
      note.textContent = `${value} groups are impossible: ${why}. Every group needs equally many channels.`;
    },
  });
  const sliders = Object.entries(SLIDERS).map(([name, { label, choices }]) => [name, choiceSlider({
    label, choices, value: model.get(name), onInput: (value) => change({ [name]: value }),
  })]);

  function draw() {
    const now = settings();
    for (const [name, slider] of sliders) slider.set(SLIDERS[name].choices, now[name]);
    const candidates = range(Math.max(now.in_channels, now.out_channels)).map((i) => i + 1)
      .map((value) => ({ value, text: String(value), why: whyNotGroups(value, now.in_channels, now.out_channels) }));
    buttons.set(candidates, now.groups);
    const refused = candidates.filter(({ why }) => why);
    impossible.textContent = refused.length
      ? `Impossible (dashed), because they do not divide both channel counts: ${refused.map(({ text }) => text).join(", ")}.` : "";
    const { macs, params, outputShape: [, height, width] } = costOf(now, now.groups);
    const [inputs, k] = [now.in_channels / now.groups, now.kernel_size];
    live.textContent = `${now.groups} groups: ${count(params)} parameters, ${count(macs)} MACs.`;
    results.replaceChildren(
      make("div", { class: "mnx-columns" }, connections(now), weights(now)),
      sums(
        ["weight shape", `[out, in/groups, k, k] = [${now.out_channels}, ${now.in_channels}/${now.groups}, ${k}, ${k}] = `,
          `[${now.out_channels}, ${inputs}, ${k}, ${k}]`],
        ["parameters", `${now.out_channels} · ${inputs} · ${k} · ${k} = `, count(params)],
        ["MACs", `${height} · ${width} positions · ${count(params)} parameters = `, count(macs)]),
      bars("Every possible number of groups", legalGroups(now.in_channels, now.out_channels).map((groups) => {
        const cost = costOf(now, groups);
        const name = `groups=${groups}`;
        return {
          name: groups === now.groups ? make("b", {}, `▸ ${name}`) : name, value: cost.macs, pattern: groups === now.groups ? 0 : 1,
          text: `${count(cost.macs)} MACs, ${count(cost.params)} parameters`,
        };
      })));
  }

  root(el, "Groups explorer").append(
    make("div", { class: "mnx-split" },
      make("div", { class: "mnx-sliders" }, sliders.map(([, slider]) => slider.el),
        make("div", { class: "mnx-choice" }, make("span", { "aria-hidden": "true" }, "Groups"), buttons.el), impossible, note),
      results),
    live);
  return follow(model, NAMES, draw);
}

export default { render };
