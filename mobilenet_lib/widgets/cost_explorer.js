// The cost explorer: sliders for one layer; its cost as standard, grouped and depthwise separable convolution.

import { conv2dCost, legalGroups, nearestGroups, separableCost } from "./arithmetic.js";
import { assign, bars, choiceSlider, count, follow, make, root, shape, sums, table } from "./controls.js";

const CHANNELS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
const SLIDERS = {
  in_channels: { label: "Input channels M", choices: CHANNELS },
  out_channels: { label: "Output channels N", choices: CHANNELS },
  kernel_size: { label: "Kernel size k", choices: [1, 2, 3, 5, 7, 9, 11] },
  input_size: { label: "Input height and width", choices: [1, 4, 7, 8, 12, 14, 16, 28, 32, 56, 64, 112, 128, 224] },
  stride: { label: "Stride", choices: [1, 2, 3, 4] },
  groups: { label: "Groups", choices: [] },
};
const NAMES = Object.keys(SLIDERS);
const FLOAT32 = 4; // bytes

// The layers to compare, for the settings of the Python traits. `part`: a part of the row above it. One group is the
// standard layer once more, so it has no row; `pattern` keeps each layer's colour all the same.
export function compare({ in_channels, out_channels, kernel_size, input_size, stride, groups }) {
  const layer = {
    inChannels: in_channels, outChannels: out_channels, kernelSize: kernel_size, inputSize: input_size, stride,
  };
  const separable = separableCost(layer);
  const layers = [
    { name: "standard", cost: conv2dCost(layer) },
    { name: `grouped, groups=${groups}`, cost: conv2dCost({ ...layer, groups }), left: groups === 1 },
    { name: "depthwise separable", cost: separable },
    { name: "depthwise part", cost: separable.depthwise, part: true },
    { name: "pointwise part", cost: separable.pointwise, part: true },
  ];
  return layers.map((one, pattern) => ({ ...one, pattern })).filter(({ left }) => !left);
}

const kilobytes = (cost) => ((cost.activations * FLOAT32) / 1000)
  .toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const exact = (ratio) => ratio.toFixed(4);

// The ratio of the layer's MACs, beside the law.
function law({ out_channels: N, kernel_size: k }, standard, separable) {
  return sums(
    ["separable ÷ standard", `${count(separable.macs)} ÷ ${count(standard.macs)} = `, exact(separable.macs / standard.macs)],
    ["1/N + 1/k²", `1/${N} + 1/${k * k} = ${exact(1 / N)} + ${exact(1 / (k * k))} = `, exact(1 / N + 1 / (k * k))]);
}

function verdict(ratio) {
  return ratio < 1
    ? `The separable layer needs ${(1 / ratio).toFixed(1)} times fewer MACs.`
    : `The separable layer saves nothing here: it needs ${ratio.toFixed(2)} times the MACs.`;
}

function render({ model, el }) {
  const note = make("p", { class: "mnx-note", role: "status" });
  const said = make("p", { class: "mnx-verdict", role: "status" }); // one element that stays: a new one would not be read out
  const [lawBox, barsBox, tableBox] = [make("div"), make("div", { class: "mnx-columns" }), make("div")];
  const settings = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)]));
  const choicesOf = (name, now) => (name === "groups" ? legalGroups(now.in_channels, now.out_channels) : SLIDERS[name].choices);

  // Other channel counts may make the number of groups impossible: the next smaller one is taken, and that is said.
  function change(values) {
    const { in_channels, out_channels, groups } = { ...settings(), ...values };
    const [possible, why] = nearestGroups(groups, in_channels, out_channels);
    note.textContent = why;
    assign(model, { ...values, groups: possible });
  }

  const start = settings();
  const sliders = NAMES.map((name) => [name, choiceSlider({
    label: SLIDERS[name].label, choices: choicesOf(name, start), value: start[name], onInput: (value) => change({ [name]: value }),
  })]);

  function draw() {
    const now = settings();
    for (const [name, slider] of sliders) slider.set(choicesOf(name, now), now[name]);
    const layers = compare(now);
    const barsOf = (title, name) => bars(title, layers.map(({ name: layer, cost, part, pattern }) => (
      { name: layer, value: cost[name], text: count(cost[name]), pattern, part })));
    const [standard, separable] = ["standard", "depthwise separable"].map((kind) => layers.find(({ name }) => name === kind).cost);
    lawBox.replaceChildren(law(now, standard, separable));
    said.textContent = verdict(separable.macs / standard.macs);
    barsBox.replaceChildren(
      barsOf("MACs", "macs"), barsOf("Parameters", "params"), barsOf("Activations (numbers written)", "activations"));
    tableBox.replaceChildren(table(
      `Input ${shape([now.in_channels, now.input_size, now.input_size])}, padding "same", no bias; 1 KB = 1000 bytes`,
      ["", "output", "MACs", "FLOPs", "parameters", "activations", "KB (float32)"],
      layers.map(({ name, cost, part }) => [
        `${part ? "· " : ""}${name}`, shape(cost.outputShape),
        ...[cost.macs, cost.flops, cost.params, cost.activations].map(count), kilobytes(cost),
      ])));
  }

  root(el, "Cost explorer").append(
    make("div", { class: "mnx-split" },
      make("div", { class: "mnx-sliders" }, sliders.map(([, slider]) => slider.el),
        make("p", { class: "mnx-quiet" }, "Groups: only numbers that divide both M and N can be chosen."), note),
      make("div", {}, lawBox, said, barsBox)),
    tableBox);
  return follow(model, NAMES, draw);
}

export default { render };
