// MobileNet V1 and V2 as layers with their cost: the rules of mobilenet_lib/architectures.py.

import { conv2dCost } from "./arithmetic.js";
import { make, range } from "./controls.js";

// --- The tables of mobilenet_lib/architectures.py; browser/test_architecture_explorer.py compares the two ---

// V1: stride and output channels of each pair. V2: expansion, output channels, repeats and first stride of each stage.
export const TABLES = {
  v1: [[1, 64], [2, 128], [1, 128], [2, 256], [1, 256], [2, 512], [1, 512], [1, 512], [1, 512], [1, 512], [1, 512], [2, 1024], [1, 1024]],
  v2: [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]],
};
export const FAMILIES = { v1: "MobileNet V1", v2: "MobileNet V2" };
const STAGE = { v1: "pair", v2: "stage" };
const papersStrides = (family) => TABLES[family].map((line) => line.at(family === "v1" ? 0 : 3));

// The multiple of 8 nearest to `channels`, at least 8, and 8 more where that is below 90 %.
function makeDivisible(channels) {
  const rounded = Math.max(8, Math.floor(Math.trunc(channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

// Every layer of the network, for the settings of the Python traits, in the order an image passes through them.
// live: activation memory while it works. field: receptive field in pixels. shortcut: the block's first layer, where its
// input is added behind this one.
export function layers(settings) {
  const { family, width_multiplier: alpha, resolution, expansion, stem_stride, num_classes } = settings;
  const strides = settings.strides.length ? settings.strides : papersStrides(family);
  const found = [];
  let [channels, size, field, step] = [3, resolution, 1, 1];

  function add(name, kind, out, { kernel = 1, stride = 1, held = 0, shortcut = null } = {}) {
    const cost = conv2dCost({
      inChannels: channels, outChannels: out, kernelSize: kernel, inputSize: size, stride, groups: kind === "depthwise" ? channels : 1,
    });
    push(name, kind, cost, { kernel, stride, held, shortcut });
  }

  function push(name, kind, { macs, params, outputShape }, { kernel, stride, held = 0, shortcut = null }) {
    const inputShape = [channels, size, size];
    const numbers = (of) => of.reduce((a, b) => a * b, 1);
    field += (kernel - 1) * step;
    step *= stride;
    found.push({
      name, kind, inputShape, outputShape, stride, kernel, macs, params, field, shortcut,
      live: numbers(inputShape) + numbers(outputShape) + held,
    });
    [channels, size] = outputShape;
  }

  function bottleneck(name, t, out, stride) {
    const joins = stride === 1 && channels === out;
    const [first, kept, hidden] = [found.length, joins ? channels * size * size : 0, t * channels];
    if (t !== 1) add(`${name}.expand`, "pointwise", hidden);
    add(`${name}.depthwise`, "depthwise", hidden, { kernel: 3, stride, held: t === 1 ? 0 : kept });
    add(`${name}.project`, "pointwise", out, { held: kept, shortcut: joins ? first : null });
  }

  if (family === "v1") {
    const width = (wanted) => Math.trunc(wanted * alpha);
    add("stem", "conv", width(32), { kernel: 3, stride: stem_stride });
    TABLES.v1.forEach(([, wanted], i) => {
      add(`separable${i + 1}.depthwise`, "depthwise", channels, { kernel: 3, stride: strides[i] });
      add(`separable${i + 1}.pointwise`, "pointwise", width(wanted));
    });
  } else {
    add("stem", "conv", makeDivisible(32 * alpha), { kernel: 3, stride: stem_stride });
    let number = 0;
    TABLES.v2.forEach(([t, wanted, repeats], i) => range(repeats).forEach((repeat) => {
      number += 1;
      bottleneck(`bottleneck${number}`, t === 1 ? 1 : expansion, makeDivisible(wanted * alpha), repeat ? 1 : strides[i]);
    }));
    add("head", "pointwise", makeDivisible(1280 * Math.max(1, alpha)));
  }
  push("pool", "pool", { macs: 0, params: 0, outputShape: [channels, 1, 1] }, { kernel: size, stride: size });
  const weights = channels * num_classes;
  push("classifier", "linear", { macs: weights, params: weights, outputShape: [num_classes, 1, 1] }, { kernel: 1, stride: 1 });
  return found;
}

// A button for every stride, which changes it between 1 and 2. change: takes the new values of the traits.
export function strideButtons(change) {
  const el = make("div", { class: "mnx-buttons mnx-strides", role: "group", "aria-label": "Strides" });
  const button = (text, what, stride, onclick) => make("button", {
    type: "button", "aria-pressed": String(stride === 2), onclick,
  }, make("span", { class: "mnx-hidden" }, `stride of ${what}: ${stride}`),
  make("small", { "aria-hidden": "true" }, text), make("span", { "aria-hidden": "true" }, String(stride)));
  function set({ family, stem_stride, strides }) {
    const now = strides.length ? strides : papersStrides(family);
    const focused = Array.from(el.children).indexOf(document.activeElement);
    const flipped = (place) => {
      const other = now.map((stride, i) => (i === place ? 3 - stride : stride));
      return String(other) === String(papersStrides(family)) ? [] : other;
    };
    el.replaceChildren(
      button("stem", "the stem", stem_stride, () => change({ stem_stride: 3 - stem_stride })),
      ...now.map((stride, i) => button(`${i + 1}`, `${STAGE[family]} ${i + 1}`, stride, () => change({ strides: flipped(i) }))));
    el.children[Math.min(focused, el.children.length - 1)]?.focus();
  }
  return { el, set };
}
