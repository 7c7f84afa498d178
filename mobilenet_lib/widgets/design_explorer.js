// The design explorer: a network by its choices, its budget, and its place among designs that were trained.

import { assign, choiceList, choiceSlider, count, follow, make, root, sum } from "./controls.js";
import { FAMILIES, layers, strideButtons } from "./network.js";

// By the name of the attribute in Python: what it is called, and the trait that limits it.
const COSTS = {
  macs: { label: "MACs", limit: "max_macs" },
  params: { label: "weights", limit: "max_params" },
  peak_activations: { label: "activation memory", limit: "max_peak_activations" },
};
const CHOICES = {
  width_multiplier: { label: "Width multiplier α", choices: [0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75, 1] },
  resolution: { label: "Image (pixels)", choices: [16, 20, 24, 28, 32] },
  expansion: { label: "Expansion t (V2)", choices: [1, 2, 3, 4, 5, 6] },
};
const LIMITS = {
  max_macs: { label: "At most: MACs", choices: [0, 5e5, 1e6, 2e6, 3e6, 5e6, 1e7, 2e7] },
  max_params: { label: "At most: weights", choices: [0, 5e4, 1e5, 2e5, 3e5, 5e5, 1e6] },
  max_peak_activations: { label: "At most: activation memory", choices: [0, 5e3, 1e4, 2e4, 4e4, 8e4, 1.6e5] },
};
const NAMES_OF_TRAITS = ["family", ...Object.keys(CHOICES), "stem_stride", "strides", "num_classes", ...Object.keys(LIMITS), "cost", "points"];
const SIGNS = { v1: "●", v2: "▲", baseline: "◆" };

const short = (number) => (number >= 1e6 ? `${+(number / 1e6).toPrecision(3)} M` : number >= 1e3 ? `${+(number / 1e3).toPrecision(3)} k` : String(number));
const percent = (number) => `${number.toFixed(1)} %`;

// What the network costs, by the keys of COSTS.
export function costsOf(settings) {
  const rows = layers(settings);
  return {
    macs: sum(rows.map((row) => row.macs)),
    params: sum(rows.map((row) => row.params)),
    peak_activations: Math.max(...rows.map((row) => row.live)),
  };
}

// The choices in a line: `Design.title` in Python.
export function titleOf({ family, width_multiplier, resolution, expansion, stem_stride, strides }) {
  return [
    family.toUpperCase(), `α=${width_multiplier}`, family === "v2" ? `t=${expansion}` : "", resolution === 32 ? "" : `${resolution} px`,
    stem_stride === 1 ? "" : `stem stride ${stem_stride}`,
    strides.length ? `stride 2 at ${strides.flatMap((stride, i) => (stride === 2 ? [i + 1] : [])).join("/") || "none"}` : "",
  ].filter(Boolean).join(" ");
}

// The points that no other beats in accuracy and this cost, from the cheapest on: `pareto_front` in Python.
export function frontOf(points, cost) {
  const ordered = [...points].sort((a, b) => a[cost] - b[cost] || b.accuracy - a.accuracy);
  return ordered.reduce((front, point) => {
    const last = front.at(-1);
    const stays = !last || point.accuracy > last.accuracy || (point.accuracy === last.accuracy && point[cost] === last[cost]);
    return stays ? [...front, point] : front;
  }, []);
}

// For each cost: how much of the limit is used, in words and as a bar with the limit as a line across.
function budgetBars(costs, settings) {
  const room = 1.5; // a bar ends at one and a half times its limit
  return make("ul", { class: "mnx-budget" }, Object.entries(COSTS).map(([name, { label, limit }]) => {
    const [used, most] = [costs[name], settings[limit]];
    const fraction = most ? used / most : 0;
    const verdict = !most ? "no limit" : used <= most ? `✓ fits, ${Math.round(100 * fraction)} % of ${short(most)}` : `✗ too much, ${Math.round(100 * fraction)} % of ${short(most)}`;
    return make("li", {},
      make("span", {}, `${label}: `, make("b", {}, count(used)), ` · ${verdict}`),
      make("span", { class: "mnx-budget-track", "aria-hidden": "true" },
        make("span", { class: `mnx-bar mnx-pattern-${used <= most || !most ? 2 : 1}`, style: `width: ${(100 * Math.min(fraction, room)) / room}%` }),
        most ? make("span", { class: "mnx-budget-limit", style: `left: ${100 / room}%` }) : null));
  }));
}

// Accuracy over a cost for the trained designs, their front as a staircase, and the present design as a line.
function plot(points, cost, here, limit) {
  const all = [...points.map((point) => point[cost]), here, ...(limit ? [limit] : [])];
  const [left, right] = [Math.log10(Math.min(...all) / 1.3), Math.log10(Math.max(...all) * 1.3)];
  const ends = points.flatMap(({ accuracy, low, high }) => [low ?? accuracy, high ?? accuracy]);
  const [bottom, top] = [Math.floor(Math.min(...ends) / 5) * 5, Math.ceil(Math.max(...ends) / 5) * 5];
  const x = (value) => (100 * (Math.log10(value) - left)) / (right - left);
  const y = (accuracy) => (100 * (accuracy - bottom)) / (top - bottom);
  const front = frontOf(points, cost);
  const digits = right - left > 2 ? [1, 3] : [1, 2, 5];
  const decades = [3, 4, 5, 6, 7].flatMap((power) => digits.map((digit) => digit * 10 ** power)).filter((value) => x(value) >= 0 && x(value) <= 100);
  const heights = [];
  for (let height = bottom; height <= top; height += top - bottom > 30 ? 10 : 5) heights.push(height);
  return make("figure", { class: "mnx-plot-frame" },
    make("h3", { class: "mnx-caption" }, `Accuracy over ${COSTS[cost].label} (log scale), ${points.length} trained networks`),
    make("div", { class: "mnx-plot mnx-front-plot", role: "img", "aria-label": `The front, from cheap to expensive: ${front.map(({ name, accuracy }) => `${name} ${percent(accuracy)}`).join("; ")}` },
      decades.map((value) => make("span", { class: "mnx-tick-x", style: `left: ${x(value)}%` }, short(value))),
      heights.map((height) => make("span", { class: "mnx-tick-y", style: `bottom: ${y(height)}%` }, `${height} %`)),
      front.flatMap((point, i) => {
        const next = front[i + 1] ?? { [cost]: 10 ** right, accuracy: point.accuracy };
        return [
          make("span", { class: "mnx-step", style: `left: ${x(point[cost])}%; bottom: ${y(point.accuracy)}%; width: ${x(next[cost]) - x(point[cost])}%` }),
          make("span", { class: "mnx-rise", style: `left: ${x(next[cost])}%; bottom: ${y(point.accuracy)}%; height: ${y(next.accuracy) - y(point.accuracy)}%` }),
        ];
      }),
      points.filter(({ low }) => low !== null).map(({ low, high, ...point }) => make("span", { class: "mnx-whisker", style: `left: ${x(point[cost])}%; bottom: ${y(low)}%; height: ${y(high) - y(low)}%` })),
      limit ? make("span", { class: "mnx-limit", style: `left: ${x(limit)}%` }) : null,
      make("span", { class: "mnx-here", style: `left: ${x(here)}%` }),
      points.map((point) => make("span", {
        class: "mnx-point", title: `${point.name}: ${percent(point.accuracy)}`, style: `left: ${x(point[cost])}%; bottom: ${y(point.accuracy)}%`,
      }, SIGNS[point.family]))),
    make("figcaption", { class: "mnx-quiet" }, ["● V1", "▲ V2", "◆ baseline", "│ through a sign: 95 % confidence interval", "╌ front", "┃ this design", "┊ limit"].map((text) => make("span", {}, text))));
}

function render({ model, el }) {
  const settings = () => Object.fromEntries(NAMES_OF_TRAITS.map((name) => [name, model.get(name)]));
  const change = (values) => assign(model, values);

  const family = choiceList({
    label: "Network", choices: Object.keys(FAMILIES), texts: Object.values(FAMILIES), onChange: (value) => change({ family: value, strides: [] }),
  });
  const slider = ([name, { label, choices }], say) => [name, choices, choiceSlider({
    label, choices, value: model.get(name), onInput: (value) => change({ [name]: value }), say,
  })];
  const sliders = Object.entries(CHOICES).map((one) => slider(one));
  const limits = Object.entries(LIMITS).map((one) => slider(one, (value) => (value ? short(value) : "no limit")));
  const strides = strideButtons(change);
  const axis = choiceList({
    label: "Compare by", choices: Object.keys(COSTS), texts: Object.values(COSTS).map(({ label }) => label), onChange: (value) => change({ cost: value }),
  });
  const said = make("p", { class: "mnx-verdict", role: "status" });
  const [budget, advice, drawing] = [make("div"), make("p", { class: "mnx-about" }), make("div")];

  function draw() {
    const now = settings();
    const [costs, title] = [costsOf(now), titleOf(now)];
    family.set(now.family);
    for (const [name, choices, one] of [...sliders, ...limits]) one.set(choices, now[name]);
    sliders.find(([name]) => name === "expansion")[2].el.hidden = now.family === "v1";
    strides.set(now);
    axis.set(now.cost);

    const kept = (of) => Object.entries(COSTS).every(([name, { limit }]) => !now[limit] || of[name] <= now[limit]);
    const limited = Object.keys(LIMITS).some((name) => now[name]);
    said.textContent = `${title}: ${!limited ? "no budget is set" : kept(costs) ? "✓ keeps the budget" : "✗ breaks the budget"}.`;
    budget.replaceChildren(budgetBars(costs, now));
    const trained = now.points.find(({ name }) => name === title);
    const able = now.points.filter(kept).sort((a, b) => b.accuracy - a.accuracy);
    const interval = ({ accuracy, low, high }) => `${percent(accuracy)} (${low === null ? "one seed" : `${low.toFixed(1)} to ${percent(high)}`})`;
    advice.textContent = [
      trained ? `Recorded for this very design: ${interval(trained)}.` : "This design has not been trained for the course.",
      !now.points.length ? "" : able.length ? `${able.length} of the recorded networks keep ${limited ? "this budget" : "it, as there is none"}; the most accurate: ${able[0].name}, ${interval(able[0])}.`
        : "None of the recorded networks keeps this budget.",
    ].filter(Boolean).join(" ");
    drawing.replaceChildren(...(now.points.length ? [plot(now.points, now.cost, costs[now.cost], now[COSTS[now.cost].limit])] : []));
  }

  root(el, "Design explorer").append(make("div", { class: "mnx-split mnx-architecture" },
    make("div", { class: "mnx-sliders" },
      family.el, sliders.map(([, , one]) => one.el),
      make("div", { class: "mnx-choice" }, make("span", { "aria-hidden": "true" }, "Strides (press to change)"), strides.el),
      make("h3", { class: "mnx-caption" }, "Budget"), limits.map(([, , one]) => one.el)),
    make("div", {}, said, budget, advice, axis.el, drawing)));
  return follow(model, NAMES_OF_TRAITS, draw);
}

export default { render };
