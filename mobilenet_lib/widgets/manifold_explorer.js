// The manifold explorer: a spiral through n random channels and a ReLU, and back (figure 1 of the V2 paper).

import { assign, choiceButtons, choiceSlider, count, follow, make, range, root, sums } from "./controls.js";
import { svg } from "./svg.js";

const POINTS = 300;
const TURNS = 2;
const SLIDERS = {
  channels: { label: "Channels n", choices: range(29).map((i) => i + 2) },
  seed: { label: "Random matrix no.", choices: range(30).map((i) => i + 1) },
};
const NAMES = [...Object.keys(SLIDERS), "scaled"];

// The rows of the matrix for a seed, each two normal numbers; Python's `random_rows` draws the same ones.
export function randomRows(channels, seed) {
  let state = Math.imul(seed, 2654435761) >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / 4294967297; // between 0 and 1, and neither of them
  };
  range(8).forEach(uniform); // the first ones still resemble those of the next seed
  return range(channels).map(() => {
    const [radius, angle] = [Math.sqrt(-2 * Math.log(uniform())), 2 * Math.PI * uniform()];
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

const spiral = range(POINTS).map((i) => {
  const fraction = (i + 1) / POINTS;
  return [fraction * Math.cos(2 * Math.PI * TURNS * fraction), fraction * Math.sin(2 * Math.PI * TURNS * fraction)];
});

// Sum over all points of the products of their numbers.
const overlap = (some, others) => some.reduce((sum, [x, y], i) => sum + x * others[i][0] + y * others[i][1], 0);

// What becomes of the spiral: active channels and recovered point for each of its points, and the errors.
export function experiment({ channels, seed, scaled }) {
  const rows = randomRows(channels, seed);
  const activated = spiral.map(([x, y]) => rows.map(([a, b]) => Math.max(a * x + b * y, 0)));
  // The pseudo-inverse of a matrix T with two columns: (TᵀT)⁻¹ Tᵀ.
  const [aa, ab, bb] = [[0, 0], [0, 1], [1, 1]].map(([i, j]) => rows.reduce((sum, row) => sum + row[i] * row[j], 0));
  const determinant = aa * bb - ab * ab;
  const back = activated.map((values) => {
    const [a, b] = [0, 1].map((i) => rows.reduce((sum, row, k) => sum + row[i] * values[k], 0));
    return [(bb * a - ab * b) / determinant, (aa * b - ab * a) / determinant];
  });
  const scale = overlap(spiral, back) / overlap(back, back);
  const times = (factor) => back.map(([x, y]) => [factor * x, factor * y]);
  const error = (points) => {
    const off = points.map(([x, y], i) => [x - spiral[i][0], y - spiral[i][1]]);
    return Math.sqrt(overlap(off, off) / overlap(spiral, spiral));
  };
  const active = activated.map((values) => values.filter((value) => value > 0).length);
  return {
    active, lost: active.filter((number) => number < 2).length, scale, rawError: error(back), bestError: error(times(scale)),
    recovered: scaled ? times(scale) : back,
  };
}

const line = (points, style) => svg("polyline", { points: points.map((point) => point.join(",")).join(" "), style: `fill: none; ${style}` });

// Both spirals on the same axes, the points that are lost as crosses.
function drawn({ recovered, active, lost }, channels) {
  // The frame is that of the spiral, and larger only where something lies outside of it.
  const [[left, right], [low, high]] = [[-0.9, 1.05], [-0.95, 0.7]].map(([least, most], i) => (
    [Math.min(least, ...recovered.map((point) => point[i])), Math.max(most, ...recovered.map((point) => point[i]))]));
  const unit = Math.min(390 / (right - left), 320 / (high - low));
  const place = ([x, y]) => [200 + unit * (x - (left + right) / 2), 165 - unit * (y - (low + high) / 2)];
  const marks = recovered.map((point, i) => {
    const [x, y] = place(point);
    return active[i] < 2
      ? svg("path", { d: `M${x - 5} ${y - 5}l10 10m0 -10l-10 10`, style: "stroke: var(--vermilion); stroke-width: 1.5" })
      : svg("circle", { cx: x, cy: y, r: 2.5, style: "fill: var(--blue)" });
  });
  return svg("svg", {
    viewBox: "0 0 400 330", role: "img", style: "width: 28em; max-width: 100%; height: auto",
    "aria-label": `The spiral, and what is read back from ${channels} channels: ${lost} of ${POINTS} points are lost`,
  }, line(spiral.map(place), "stroke: var(--quiet); stroke-width: 1.5; stroke-dasharray: 6 4"),
  line(recovered.map(place), "stroke: var(--line); stroke-width: 1"), ...marks);
}

// How many channels are active along the spiral, from the inside out.
function activity(active, channels) {
  const [x, y] = [(i) => 30 + (360 * i) / POINTS, (number) => 120 - (105 * number) / channels];
  const label = (text, top) => svg("text", { x: 24, y: top + 5, style: "fill: var(--ink); font-size: 14px; text-anchor: end" }, text);
  return svg("svg", {
    viewBox: "0 0 400 130", role: "img", style: "width: 24em; max-width: 100%; height: auto",
    "aria-label": `Active channels along the spiral: between ${Math.min(...active)} and ${Math.max(...active)} of ${channels}`,
  }, line([[30, 10], [30, 120], [390, 120]], "stroke: var(--ink)"),
  line([[30, y(2)], [390, y(2)]], "stroke: var(--vermilion); stroke-dasharray: 6 4"),
  line(active.map((number, i) => [x(i), y(number)]), "stroke: var(--blue); stroke-width: 2"),
  label(String(channels), y(channels)), ...(channels > 4 ? [label("2", y(2))] : []), label("0", y(0)));
}

function render({ model, el }) {
  const said = make("p", { class: "mnx-verdict", role: "status" });
  const [drawing, activeBox, results] = [make("div"), make("div"), make("div")];
  const settings = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)]));
  const sliders = Object.entries(SLIDERS).map(([name, { label, choices }]) => [name, choiceSlider({
    label, choices, value: model.get(name), onInput: (value) => assign(model, { [name]: value }),
  })]);
  const size = choiceButtons({ label: "Size of the spiral", onChoice: ({ value }) => assign(model, { scaled: value }) });

  function draw() {
    const now = settings();
    for (const [name, slider] of sliders) slider.set(SLIDERS[name].choices, now[name]);
    size.set([{ value: false, text: "as read back" }, { value: true, text: "at the best scale" }], now.scaled);
    const found = experiment(now);
    const n = now.channels;
    said.textContent = `With ${n} channels, ${found.lost} of ${POINTS} points are lost.`;
    drawing.replaceChildren(make("h3", { class: "mnx-caption" }, "Dashed: the spiral. Dots: read back. Crosses: lost."), drawn(found, n));
    activeBox.replaceChildren(
      make("h3", { class: "mnx-caption" }, "Active channels along the spiral, from the inside out; at least 2 are needed"), activity(found.active, n));
    results.replaceChildren(
      sums(
        ["lost here", `${found.lost} ÷ ${POINTS} = `, `${((100 * found.lost) / POINTS).toFixed(1)} %`],
        ["over all matrices", `(n + 1) ÷ 2ⁿ = ${n + 1} ÷ ${count(2 ** n)} = `, `${((100 * (n + 1)) / 2 ** n).toPrecision(2)} %`],
        ["error as read back", "", found.rawError.toFixed(2)],
        ["error at the best scale", `all points times ${found.scale.toFixed(2)}: `, found.bestError.toFixed(2)]));
  }

  root(el, "Manifold explorer").append(
    make("div", { class: "mnx-split" },
      make("div", { class: "mnx-sliders" }, sliders.map(([, slider]) => slider.el), size.el, activeBox),
      make("div", {}, said, drawing, results)));
  return follow(model, NAMES, draw);
}

export default { render };
