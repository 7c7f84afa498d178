// The architecture explorer: MobileNet V1 and V2 drawn from their tables, and what every layer of them costs.

import { assign, choiceList, choiceSlider, count, follow, make, range, root, shape, sum, table } from "./controls.js";
import { FAMILIES, layers, strideButtons } from "./network.js";

// The published points of papers.toml, as `paper_points` in _architecture.py gives them.
export const POINTS = [
  { "family": "v1", "table": "6", "series": "V1, α (Table 6)", "macs": 569, "accuracy": 70.6, "network": {} },
  { "family": "v1", "table": "6", "series": "V1, α (Table 6)", "macs": 325, "accuracy": 68.4, "network": { "width_multiplier": 0.75 } },
  { "family": "v1", "table": "6", "series": "V1, α (Table 6)", "macs": 149, "accuracy": 63.7, "network": { "width_multiplier": 0.5 } },
  { "family": "v1", "table": "6", "series": "V1, α (Table 6)", "macs": 41, "accuracy": 50.6, "network": { "width_multiplier": 0.25 } },
  { "family": "v1", "table": "7", "series": "V1, ρ (Table 7)", "macs": 418, "accuracy": 69.1, "network": { "resolution": 192 } },
  { "family": "v1", "table": "7", "series": "V1, ρ (Table 7)", "macs": 290, "accuracy": 67.2, "network": { "resolution": 160 } },
  { "family": "v1", "table": "7", "series": "V1, ρ (Table 7)", "macs": 186, "accuracy": 64.4, "network": { "resolution": 128 } },
  { "family": "v1", "table": "5", "series": "V1, others (Tables 5 and 9)", "macs": 307, "accuracy": 65.3, "network": null },
  { "family": "v1", "table": "9", "series": "V1, others (Tables 5 and 9)", "macs": 76, "accuracy": 60.2, "network": { "width_multiplier": 0.5, "resolution": 160 } },
  { "family": "v2", "table": "4", "series": "V2 (Table 4)", "macs": 300, "accuracy": 72, "network": {} },
  { "family": "v2", "table": "4", "series": "V2 (Table 4)", "macs": 585, "accuracy": 74.7, "network": { "width_multiplier": 1.4 } },
];

// The published point of this very network, or undefined.
export function pointOf(settings) {
  return POINTS.find(({ family, network }) => network && Object.entries({ ...PAPERS, ...network, family })
    .every(([name, value]) => String(settings[name]) === String(value)));
}

// --- The view ---

const PAPERS = { width_multiplier: 1, resolution: 224, expansion: 6, stem_stride: 2, strides: [], num_classes: 1000 };
const SLIDERS = {
  width_multiplier: { label: "Width multiplier α", choices: [0.25, 0.35, 0.5, 0.75, 1, 1.4] },
  resolution: { label: "Image (pixels; 224 · ρ)", choices: [32, 64, 96, 128, 160, 192, 224, 256, 320] },
  expansion: { label: "Expansion t (V2)", choices: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] },
};
const NAMES = ["family", ...Object.keys(PAPERS)];
const KINDS = {
  conv: "standard convolution", depthwise: "depthwise", pointwise: "1×1", linear: "fully connected", pool: "pool",
};
const PATTERNS = Object.keys(KINDS); // the place in this list is the number of the pattern
const MARKS = { "V1, α (Table 6)": "●", "V1, ρ (Table 7)": "■", "V1, others (Tables 5 and 9)": "◆", "V2 (Table 4)": "▲" };
const FLOAT32 = 4; // bytes

const millions = (number, digits = 1) => (number / 1e6).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const square = (side) => `${side}×${side}`;
const most = (rows, name) => rows.reduce((a, b) => (b[name] > a[name] ? b : a));

// A row of bars, one for each layer. `says`: its title, which also stands for the bars where they cannot be seen.
function lane(says, rows, value, { line = 0, marked = null, className = "" } = {}) {
  const highest = Math.max(line, ...rows.map(value));
  const percent = (number) => (88 * number) / highest; // room for the mark over the highest
  return [
    make("h3", { class: "mnx-caption" }, says),
    make("div", { class: `mnx-lane ${className}`, role: "img", "aria-label": says },
      rows.map((row) => make("span", {
        class: `mnx-bar mnx-pattern-${PATTERNS.indexOf(row.kind)}${row === marked ? " mnx-peak" : ""}`,
        style: `height: ${percent(value(row))}%`,
      })),
      line ? make("span", { class: "mnx-level", style: `bottom: ${percent(line)}%` }) : null),
  ];
}

// Under the feature maps: a bracket with the side for every run of layers whose maps have the same size.
function sizes(rows) {
  const starts = range(rows.length).filter((i) => i === 0 || rows[i].outputShape[1] !== rows[i - 1].outputShape[1]);
  return make("div", { class: "mnx-lane mnx-brackets", "aria-hidden": "true" }, starts.map((start, i) => make("span", {
    style: `grid-column: ${start + 1} / ${(starts[i + 1] ?? rows.length) + 1}`,
  }, String(rows[start].outputShape[1]))));
}

// Over the feature maps: an arc from the first to the last layer of each block that adds its input.
function arcs(rows) {
  return make("div", { class: "mnx-lane mnx-arcs", "aria-hidden": "true" }, rows.flatMap(({ shortcut }, i) => (
    shortcut === null ? [] : [make("span", { style: `grid-column: ${shortcut + 1} / ${i + 2}` })])));
}

// The total as a line among the published points: ImageNet accuracy over MACs, both as the papers print them.
function plot(total, said) {
  const [low, high] = [Math.log10(10), Math.log10(1000)];
  const x = (macs) => 100 * Math.min(Math.max((Math.log10(macs) - low) / (high - low), 0), 1);
  const y = (accuracy) => 100 * ((accuracy - 45) / 35);
  const ticks = [
    ...[10, 30, 100, 300, 1000].map((macs) => make("span", { class: "mnx-tick-x", style: `left: ${x(macs)}%` }, String(macs))),
    ...[50, 60, 70].map((accuracy) => make("span", { class: "mnx-tick-y", style: `bottom: ${y(accuracy)}%` }, `${accuracy} %`)),
  ];
  const beyond = total > 1000 || total < 10;
  return make("figure", { class: "mnx-plot-frame" },
    make("h3", { class: "mnx-caption" }, "Total beside the papers: ImageNet accuracy over M MACs"),
    make("div", { class: "mnx-plot", role: "img", "aria-label": `The papers' points, and this network at ${said}` },
      ticks,
      make("span", { class: "mnx-here", style: `left: ${x(total)}%` }),
      POINTS.map(({ series, macs, accuracy }) => make("span", { class: "mnx-point", style: `left: ${x(macs)}%; bottom: ${y(accuracy)}%` }, MARKS[series]))),
    make("figcaption", { class: "mnx-quiet" },
      Object.entries(MARKS).map(([series, mark]) => make("span", {}, `${mark} ${series}`)),
      make("span", {}, `┃ this network${beyond ? " (beyond the scale)" : ""}`)));
}

function render({ model, el }) {
  const settings = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)]));
  const change = (values) => assign(model, values);
  let [rows, chosen] = [layers(settings()), 0];

  // Controls
  const family = choiceList({
    label: "Network", choices: Object.keys(FAMILIES), texts: Object.values(FAMILIES), onChange: (value) => change({ family: value, strides: [] }),
  });
  const sliders = Object.entries(SLIDERS).map(([name, { label, choices }]) => [name, choiceSlider({
    label, choices, value: model.get(name), onInput: (value) => change({ [name]: value }),
  })]);
  const classes = choiceList({
    label: "Classes", choices: [10, 100, 1000], onChange: (value) => change({ num_classes: value }),
  });
  const strides = strideButtons(change);
  const again = make("button", { type: "button", onclick: () => change(PAPERS) }, "Back to the paper's");
  const note = make("p", { class: "mnx-note", role: "status" });
  const said = make("p", { class: "mnx-verdict", role: "status" });
  const place = choiceSlider({
    label: "Look at a layer", choices: rows.map(({ name }) => name), value: rows[0].name, onInput: (name) => look(rows.findIndex((row) => row.name === name)),
  });

  // Results
  const mark = make("span", { class: "mnx-layer", "aria-hidden": "true" });
  const [lanes, aboutLayer, totals] = [make("div"), make("p", { class: "mnx-about" }), make("div")];
  const stack = make("div", {
    class: "mnx-net", onclick: ({ clientX }) => {
      const { left, width } = stack.getBoundingClientRect();
      look(Math.min(Math.max(Math.floor(((clientX - left) / width) * rows.length), 0), rows.length - 1));
    },
  }, mark, lanes);
  const all = make("details", { ontoggle: () => { if (all.open) drawTable(); } }, make("summary", {}, "All layers as a table"));

  function look(index) {
    chosen = Math.min(Math.max(index, 0), rows.length - 1);
    const { name, kind, inputShape, outputShape, stride, kernel, macs, params, live, field } = rows[chosen];
    place.set(rows.map((row) => row.name), name);
    mark.style = `left: ${(100 * chosen) / rows.length}%; width: ${100 / rows.length}%`;
    const what = kind === "linear" || kind === "pool" ? KINDS[kind]
      : `${square(kernel)} ${kind === "depthwise" ? "depthwise " : ""}convolution, stride ${stride}`;
    const fraction = ((100 * macs) / sum(rows.map((row) => row.macs))).toFixed(1);
    aboutLayer.replaceChildren(
      make("b", {}, `Layer ${chosen + 1} of ${rows.length}, ${name}: `),
      `${what}, ${shape(inputShape)} → ${shape(outputShape)}. `,
      `${count(macs)} MACs (${fraction} % of all), ${count(params)} weights. `,
      `${count(live)} numbers of activation memory. One number of its output sees ${square(field)} pixels.`);
  }

  function drawTable() {
    all.lastElementChild.tagName === "SUMMARY" || all.lastElementChild.remove();
    all.append(make("div", { class: "mnx-tall" }, table("All layers", ["", "kind", "output", "stride", "MACs", "weights", "activation memory", "receptive field"],
      rows.map((row) => [row.name, KINDS[row.kind], shape(row.outputShape), ...[row.stride, row.macs, row.params, row.live, row.field].map(count)]))));
  }

  function draw() {
    const now = settings();
    rows = layers(now);
    family.set(now.family);
    for (const [name, slider] of sliders) slider.set(SLIDERS[name].choices, now[name]);
    sliders.find(([name]) => name === "expansion")[1].el.hidden = now.family === "v1";
    classes.set(now.num_classes);
    strides.set(now);
    const [macs, weights] = ["macs", "params"].map((name) => sum(rows.map((row) => row[name])));
    const [heaviest, peak] = [most(rows, "macs"), most(rows, "live")];
    const convolutions = rows.filter(({ kind }) => kind !== "pool" && kind !== "linear");
    const wholeImage = convolutions.find(({ field }) => field >= now.resolution);
    const shortcuts = rows.filter(({ shortcut }) => shortcut !== null).length;

    const tiny = rows.find(({ kernel, inputShape, kind }) => kernel === 3 && inputShape[1] === 1 && kind !== "pool");
    note.textContent = tiny
      ? `From ${tiny.name} on the feature map is 1×1: a 3×3 window sees one number there, and eight zeros of padding.` : "";
    const point = pointOf(now);
    const name = `${FAMILIES[now.family]}, α = ${now.width_multiplier}, ${square(now.resolution)}`;
    said.textContent = `${name}: ${millions(macs)} M MACs, ${millions(weights, 2)} M weights. ${point
      ? `Table ${point.table} prints ${point.macs} M MACs, ${point.accuracy.toFixed(1)} % accuracy.`
      : "The paper prints no figures for this one."}`;

    stack.style = `--layers: ${rows.length}`;
    lanes.replaceChildren(...[
      make("h3", { class: "mnx-caption" }, `The feature maps: height = side of the map; ${shortcuts ? `${shortcuts} arcs = shortcuts` : "no shortcuts"}`),
      arcs(rows),
      make("div", { class: "mnx-lane mnx-maps-lane", role: "img", "aria-label": `Sides of the feature maps: ${[...new Set(rows.map((row) => row.outputShape[1]))].join(", ")}` },
        rows.map((row) => make("span", { class: `mnx-bar mnx-pattern-${PATTERNS.indexOf(row.kind)}`, style: `height: ${(100 * row.outputShape[1]) / rows[0].outputShape[1]}%` }))),
      sizes(rows),
      lane(`Channels: from ${Math.min(...convolutions.map((row) => row.outputShape[0]))} to ${Math.max(...convolutions.map((row) => row.outputShape[0]))}`,
        rows, (row) => row.outputShape[0], { className: "mnx-low" }),
      lane(`MACs: ${millions(macs)} M in all; most in ${heaviest.name}, ${millions(heaviest.macs)} M`, rows, (row) => row.macs, { marked: heaviest }),
      lane(`Activation memory while a layer works: at most ${millions(peak.live, 2)} M numbers (${millions(peak.live * FLOAT32)} MB in 32 bit), in ${peak.name}`,
        rows, (row) => row.live, { marked: peak }),
      lane(`Receptive field: ${convolutions.at(-1).field} pixels after the last convolution, ${rows.at(-1).field} behind the pool; ${wholeImage
        ? `as wide as the image (dashed) from ${wholeImage.name} on` : "never as wide as the image (dashed)"}`,
        rows, (row) => row.field, { line: now.resolution, className: "mnx-low" }),
    ].flat());
    look(chosen);
    totals.replaceChildren(plot(macs / 1e6, `${millions(macs)} M MACs`));
    if (all.open) drawTable();
  }

  root(el, "Architecture explorer").append(
    make("div", { class: "mnx-split mnx-architecture" },
      make("div", { class: "mnx-sliders" },
        family.el, sliders.map(([, slider]) => slider.el),
        make("div", { class: "mnx-choice" }, make("span", { "aria-hidden": "true" }, "Strides (press to change)"), strides.el),
        make("div", { class: "mnx-bar-of-controls" }, classes.el, again),
        note, said, totals),
      make("div", {},
        make("p", { class: "mnx-legend" }, Object.values(KINDS).map((kind, pattern) => (
          make("span", {}, make("span", { class: `mnx-bar mnx-pattern-${pattern}` }), kind)))),
        stack, place.el, aboutLayer)),
    all);
  return follow(model, NAMES, draw);
}

export default { render };
