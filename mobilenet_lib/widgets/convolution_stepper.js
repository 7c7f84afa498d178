// The convolution stepper: a window moves over planes of small numbers, and every product is written out.

import { conv2dCost, outputSize } from "./arithmetic.js";
import { assign, bars, choiceButtons, choiceList, count, follow, make, range, root, shape, sum } from "./controls.js";

// What each kind is, and the layers ("passes") it is made of. M: input channels, N: output channels.
const KINDS = {
  standard: {
    says: "Every output feature map has a kernel for every input channel and adds up all of their products.",
    passes: ({ M, N, k, n, stride, padding }) => [
      pass("standard", M, N, [k, k], [n, n], { stride: [stride, stride], padding: [padding, padding] }),
    ],
  },
  depthwise: {
    says: "Every input channel has one kernel and makes one output feature map. Channels are never mixed.",
    passes: ({ M, k, n, stride, padding }) => [depthwisePass(M, k, n, stride, padding)],
  },
  pointwise: {
    says: "The kernel is 1×1: it mixes all channels at one position and never looks at a neighbour. It needs no padding.",
    passes: ({ M, N, n, stride }) => [pass("pointwise", M, N, [1, 1], [n, n], { stride: [stride, stride] })],
  },
  "depthwise separable": {
    says: "First depthwise (look around in each channel), then pointwise (mix the channels).",
    passes: ({ M, N, k, n, stride, padding }) => {
      const first = depthwisePass(M, k, n, stride, padding);
      return [first, pass("pointwise", M, N, [1, 1], first.outSize)];
    },
  },
  "spatially separable": {
    says: "For every pair of an input and an output channel a column kernel, then a row kernel, instead of a k×k one.",
    passes: ({ M, N, k, n, stride, padding }) => {
      const first = pass("column", M, M * N, [k, 1], [n, n], {
        stride: [stride, 1], padding: [padding, 0], sources: (out) => [out % M],
      });
      return [first, pass("row", M * N, N, [1, k], first.outSize, {
        stride: [1, stride], padding: [0, padding], sources: (out) => range(M).map((m) => out * M + m),
      })];
    },
  },
};
export const kinds = Object.keys(KINDS);

export const SIZES = {
  input_size: { label: "Input size", choices: [3, 4, 5, 6, 7, 8] },
  in_channels: { label: "Input channels", choices: [1, 2, 3, 4] },
  out_channels: { label: "Output channels", choices: [1, 2, 3, 4, 5, 6] },
  kernel_size: { label: "Kernel size", choices: [1, 2, 3, 4, 5] },
  stride: { label: "Stride", choices: [1, 2, 3] },
  padding: { label: "Padding", choices: [0, 1, 2] },
};
const SPEEDS = [1, 2, 5, 10, 30];

// One layer. sources(out): the input channels that output channel `out` reads.
function pass(name, inChannels, outChannels, kernel, size, { stride = [1, 1], padding = [0, 0], sources = () => range(inChannels) } = {}) {
  const cost = conv2dCost({
    inChannels, outChannels, kernelSize: kernel, inputSize: size, stride, padding, groups: inChannels / sources(0).length,
  });
  const [, height, width] = cost.outputShape;
  return {
    name, inChannels, outChannels, kernel, size, stride, padding, sources, cost,
    outSize: [height, width], steps: cost.activations, macsPerStep: cost.macs / cost.activations,
  };
}

function depthwisePass(M, k, n, stride, padding) {
  return pass("depthwise", M, M, [k, k], [n, n], {
    stride: [stride, stride], padding: [padding, padding], sources: (out) => [out],
  });
}

// The passes of a kind for the sizes in `settings` (the names of the Python traits).
export function plan(kind, settings) {
  const { in_channels: M, out_channels: N, kernel_size: k, input_size: n, stride, padding } = settings;
  return KINDS[kind].passes({ M, N, k, n, stride, padding })
    .map((layer) => ({ ...layer, weight: weightsFor(settings, layer.kernel) }));
}

// The numbers in the images and kernels: small, varied, and the same in _passes.py and here. A lesson's own image
// and kernel are shown as long as the sizes are theirs.
function inputPlanes({ in_channels, input_size, image }) {
  if (in_channels === 1 && image.length === input_size) return [image];
  const value = (channel, row, column) => ((2 * row + 3 * column + 7 * channel + 1) ** 2 % 37) % 4;
  return range(in_channels).map((m) => range(input_size).map((r) => range(input_size).map((c) => value(m, r, c))));
}

function weightsFor({ in_channels, out_channels, kernel }, [height, width]) {
  const alone = in_channels === 1 && out_channels === 1;
  if (alone && kernel.length === height && kernel.length === width) return (out, slot, row, column) => kernel[row][column];
  return (out, slot, row, column) => (((5 * row + 3 * column + 11 * out + 17 * slot + 2) ** 2 % 37) % 4) - 1;
}

const valueAt = (plane, row, column) => plane[row]?.[column] ?? 0; // outside lie the zeros of the padding

// The factors of one output number, one list per channel it reads: { channel, factors: [[value, weight], …], total }.
function terms(layer, planes, out, row, column) {
  const top = row * layer.stride[0] - layer.padding[0];
  const left = column * layer.stride[1] - layer.padding[1];
  return layer.sources(out).map((channel, slot) => {
    const factors = range(layer.kernel[0]).flatMap((i) => range(layer.kernel[1]).map((j) => (
      [valueAt(planes[channel], top + i, left + j), layer.weight(out, slot, i, j)])));
    return { channel, factors, total: sum(factors.map(([value, weight]) => value * weight)) };
  });
}

// The planes before the first pass and after each pass.
export function run(passes, settings) {
  const stages = [inputPlanes(settings)];
  for (const layer of passes) {
    const planes = stages.at(-1);
    stages.push(range(layer.outChannels).map((out) => range(layer.outSize[0]).map((r) => range(layer.outSize[1]).map((c) => (
      sum(terms(layer, planes, out, r, c).map((term) => term.total)))))));
  }
  return stages;
}

// Where position 1, 2, … is: the pass, the output number in it, and the MACs up to and with it.
export function locate(passes, position) {
  let [before, macs, index] = [0, 0, 0];
  while (position > before + passes[index].steps && index < passes.length - 1) {
    before += passes[index].steps;
    macs += passes[index].cost.macs;
    index += 1;
  }
  const layer = passes[index];
  const step = Math.min(position - before, layer.steps);
  const [height, width] = layer.outSize;
  const out = Math.floor((step - 1) / (height * width));
  const place = (step - 1) % (height * width);
  return {
    index, layer, out, step, row: Math.floor(place / width), column: place % width, macs: macs + step * layer.macsPerStep,
  };
}

const total = (passes, name) => sum(passes.map((layer) => (name === "steps" ? layer.steps : layer.cost.macs)));
const channels = (number) => `${number} channel${number === 1 ? "" : "s"}`;
const signed = (number) => (number < 0 ? `−${-number}` : String(number));
const factor = (number) => (number < 0 ? `(${signed(number)})` : String(number));

// A plane of numbers with a frame that can be moved over it.
function plane(height, width, className) {
  const cells = range(height).map(() => range(width).map(() => make("span", { class: "mnx-cell" })));
  const frame = make("span", { class: "mnx-frame", hidden: true });
  const el = make("div", {
    class: `mnx-plane ${className}`, role: "img", style: `--rows: ${height}; --columns: ${width}`,
  }, cells.flat(), frame);
  const fill = (value, note = () => "") => cells.forEach((line, r) => line.forEach((cell, c) => {
    cell.textContent = value(r, c);
    cell.classList.toggle("mnx-long", cell.textContent.length > 2);
    if (note(r, c)) cell.append(make("small", {}, note(r, c)));
  }));
  const mark = (row, column, rows, columns) => {
    frame.hidden = false;
    frame.style = `--row: ${row}; --column: ${column}; --rows: ${rows}; --columns: ${columns}`;
  };
  const label = (text) => el.setAttribute("aria-label", text);
  return { el, cells, fill, mark, label, unmark: () => { frame.hidden = true; } };
}

// One pass on screen: a row per input channel (plane, kernel, products, their sum), and the output feature maps.
// `show` moves it to an output number.
function stage(layer, planes, outputs, first) {
  const [height, width] = layer.size.map((size, side) => size + 2 * layer.padding[side]);
  // Depthwise shows every channel, also the resting ones; where there are many, only those that are read.
  const all = layer.inChannels <= 4;
  const reads = layer.sources(0).length;
  const rows = range(all ? layer.inChannels : reads).map(() => ({
    name: make("h4"),
    input: plane(height, width, "mnx-input"),
    kernel: plane(...layer.kernel, "mnx-kernel"),
    products: make("div", { class: "mnx-products", style: `--columns: ${layer.kernel[1]}` }),
  }));
  const maps = range(layer.outChannels).map(() => plane(...layer.outSize, "mnx-output"));
  const kernelName = make("h4");
  const result = make("p", { class: "mnx-result" });
  const inputName = first ? "Input" : "Feature maps of the first pass";

  const rowsBox = make("div", {
    class: "mnx-scroll mnx-rows", tabindex: 0, role: "group", "aria-label": `${layer.name}: what is multiplied`,
  },
    make("h4", {}, inputName), kernelName,
    rows.map((row) => [make("div", {}, row.name, row.input.el), make("div", {}, row.kernel.el, row.products)]).flat());
  const mapsBox = make("div", { class: "mnx-scroll mnx-maps" },
    make("h4", {}, layer.outChannels === 1 ? "Output feature map" : "Output feature maps"),
    make("div", {}, maps.map((map, out) => make("div", {}, make("h4", {}, `feature map ${out}`), map.el))),
    result);

  function show({ out, row, column, step }) {
    const reading = layer.sources(out);
    const used = terms(layer, planes, out, row, column);
    const [top, left] = [row * layer.stride[0], column * layer.stride[1]];
    const kernelsOfOne = reads > 1 || layer.inChannels === 1;
    kernelName.replaceChildren(`${reads > 1 ? "Kernels" : "Kernel"} and products`,
      make("small", {}, kernelsOfOne ? `of map ${out}` : "one kernel per map"));
    rows.forEach((line, index) => {
      const channel = all ? index : reading[index];
      const slot = reading.indexOf(channel);
      const own = slot >= 0;
      // A resting channel shows the kernel that will be used when its turn comes.
      const reader = own ? out : out - (out % layer.inChannels) + channel;
      const weight = (i, j) => layer.weight(reader, Math.max(slot, 0), i, j);
      line.name.textContent = `${first ? "channel" : "map"} ${channel}`;
      for (const el of [line.input.el, line.kernel.el]) el.classList.toggle("mnx-resting", !own);
      line.input.fill(
        (r, c) => signed(valueAt(planes[channel], r - layer.padding[0], c - layer.padding[1])),
        (r, c) => {
          const [i, j] = [r - top, c - left];
          return own && i >= 0 && j >= 0 && i < layer.kernel[0] && j < layer.kernel[1] ? `×${signed(weight(i, j))}` : "";
        },
      );
      line.input.cells.forEach((cells, r) => cells.forEach((cell, c) => cell.classList.toggle("mnx-padding", (
        r < layer.padding[0] || c < layer.padding[1] || r >= height - layer.padding[0] || c >= width - layer.padding[1]))));
      line.kernel.fill((i, j) => signed(weight(i, j)));
      if (own) line.input.mark(top, left, ...layer.kernel);
      else line.input.unmark();
      line.input.label(`${line.name.textContent}${own ? `, window at row ${top}, column ${left}` : ", not read now"}`);
      line.kernel.label(`kernel for ${line.name.textContent}`);
      line.products.replaceChildren(...(own ? writtenOut(used[slot]) : [make("i", {}, "not read now")]));
    });
    maps.forEach((map, index) => {
      const [, height, width] = layer.cost.outputShape;
      const done = (r, c) => index * height * width + r * width + c < step;
      map.fill((r, c) => (done(r, c) ? signed(outputs[index][r][c]) : ""));
      map.cells.forEach((cells, r) => cells.forEach((cell, c) => cell.classList.toggle("mnx-done", done(r, c))));
      if (index === out) map.mark(row, column, 1, 1);
      else map.unmark();
      const known = Math.min(Math.max(step - index * height * width, 0), height * width);
      map.label(`output feature map ${index}: ${known} of ${height * width} numbers known`);
    });
    const totals = used.map((term) => term.total);
    result.replaceChildren(
      totals.length > 1 ? `${totals.map(factor).join(" + ")} = ` : "= ", make("b", {}, signed(sum(totals))),
      ` → map ${out}, row ${row}, column ${column}`);
  }
  return { rowsBox, mapsBox, show };
}

function writtenOut({ factors, total: channelTotal }) {
  return [
    ...factors.map(([value, weight], i) => make("span", {}, `${i ? "+ " : ""}${factor(value)}·${factor(weight)}`)),
    make("b", {}, `= ${signed(channelTotal)}`),
  ];
}

// "3×5×5 → 3×3 depthwise → 3×3×3 → …", the current pass marked.
function pipeline(passes, current) {
  const steps = passes.flatMap((layer, index) => [
    make("b", { "aria-current": index === current ? "step" : null }, `${shape(layer.kernel)} ${layer.name}`),
    make("span", {}, `${shape([layer.outChannels, ...layer.outSize])}`),
  ]);
  const parts = [make("span", {}, shape([passes[0].inChannels, ...passes[0].size])), ...steps];
  return make("p", { class: "mnx-pipeline" }, parts.flatMap((part, i) => (i ? [" → ", part] : [part])));
}

// The formula with this layer's numbers, each number over its meaning.
function formula(layer) {
  const factors = [
    [shape(layer.outSize), "spatial positions"], [layer.outChannels, "output channels"],
    [layer.sources(0).length, "channels"], [shape(layer.kernel), "kernel"],
  ];
  const parts = factors.flatMap(([number, meaning], i) => [
    ...(i ? [make("span", {}, "×")] : []), make("span", { class: "mnx-factor" }, make("b", {}, String(number)), make("small", {}, meaning)),
  ]);
  return make("p", { class: "mnx-formula" }, make("span", {}, `${layer.name}:`), parts,
    make("span", {}, "="), make("span", { class: "mnx-factor" }, make("b", {}, count(layer.cost.macs)), make("small", {}, "MACs")));
}

// One kind, drawn at a position, with its counter and formula.
function panel(kind, settings) {
  const passes = plan(kind, settings);
  const stages = run(passes, settings);
  const macs = total(passes, "macs");
  const header = make("div");
  const counter = make("p", { class: "mnx-counter" });
  const progress = make("span", { class: "mnx-bar mnx-pattern-0" });
  const [rowsBox, mapsBox] = [make("div"), make("div", { class: "mnx-outputs" })];
  const side = make("div", { class: "mnx-side" }, mapsBox, counter,
    make("span", { class: "mnx-bar-track mnx-so-far", "aria-hidden": "true" }, progress), passes.map(formula));
  let shown = -1;
  let drawn = null;

  const el = make("section", { class: "mnx-panel", "aria-label": kind },
    make("h3", {}, kind), make("p", {}, KINDS[kind].says), header,
    make("div", { class: "mnx-stage" }, rowsBox, side));

  function show(position) {
    const here = locate(passes, position);
    if (here.index !== shown) {
      shown = here.index;
      drawn = stage(here.layer, stages[shown], stages[shown + 1], shown === 0);
      rowsBox.replaceChildren(drawn.rowsBox);
      mapsBox.replaceChildren(drawn.mapsBox);
      header.replaceChildren(pipeline(passes, shown));
    }
    drawn.show(here);
    counter.replaceChildren(
      make("b", {}, count(here.macs)), ` of ${count(macs)} MACs so far; ${here.layer.macsPerStep} for this number: `,
      `${shape(here.layer.kernel)} kernel × ${channels(here.layer.sources(0).length)}`);
    progress.style.width = `${(100 * here.macs) / macs}%`;
    const value = stages[shown + 1][here.out][here.row][here.column];
    return `${kind}: map ${here.out}, row ${here.row}, column ${here.column} is ${signed(value)}. `
      + `${count(here.macs)} of ${count(macs)} MACs.`;
  }
  return { el, side, show, steps: total(passes, "steps") };
}

// Totals of every kind for the same sizes; where two passes spare nothing, why not.
function comparison(settings, chosen) {
  const [standard, separable] = ["standard", "depthwise separable"].map((kind) => plan(kind, settings));
  const [macs, both] = [standard, separable].map((passes) => total(passes, "macs"));
  const why = settings.out_channels === 1 ? "A single output channel leaves nothing to share" : "So small a kernel leaves nothing to save";
  const parts = separable.map((layer) => count(layer.cost.macs)).join(" + ");
  const note = both < macs ? null : make("p", { class: "mnx-quiet" },
    `Depthwise separable takes no fewer MACs here: ${parts} = ${count(both)}, standard ${count(macs)}. ${why}, and the second `
    + "pass comes on top. Choose more output channels, or a larger kernel.");
  return make("div", { class: "mnx-comparison" }, bars("The same sizes, every kind", kinds.map((kind, pattern) => {
    const passes = plan(kind, settings);
    const parts = passes.length > 1 ? ` = ${passes.map((layer) => count(layer.cost.macs)).join(" + ")}` : "";
    return {
      name: chosen.includes(kind) ? make("b", {}, `▸ ${kind}`) : kind, value: total(passes, "macs"), pattern,
      text: `${count(total(passes, "macs"))} MACs${parts}, output ${shape(passes.at(-1).cost.outputShape)}`,
    };
  })), note);
}

const NAMES = [...Object.keys(SIZES), "kind", "beside", "image", "kernel"];

function render({ model, el }) {
  const settings = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)]));
  const kindButtons = choiceButtons({ label: "Kind of convolution", onChoice: ({ value }) => change({ kind: value }) });
  const beside = choiceList({
    label: "Beside it", choices: ["", ...kinds], texts: ["nothing", ...kinds], onChange: (value) => change({ beside: value }),
  });
  const sizes = Object.entries(SIZES).map(([name, { label, choices }]) => (
    [name, choiceList({ label, choices, onChange: (value) => change({ [name]: value }) })]));
  const note = make("p", { class: "mnx-note", role: "status" });
  const live = make("p", { class: "mnx-hidden", "aria-live": "polite" });
  const panels = make("div", { class: "mnx-panels" });

  const button = (text, onclick) => make("button", { type: "button", onclick }, text);
  const back = button("‹ Back", () => move(model.get("position") - 1));
  const playing = button("Play", () => (timer ? pause() : play()));
  const step = button("Step ›", () => move(model.get("position") + 1));
  const slider = make("input", {
    type: "range", min: 1, "aria-label": "Position", oninput: () => move(Number(slider.value)),
  });
  const place = make("span", { class: "mnx-value", "aria-hidden": "true" }); // the slider itself says it
  const speed = choiceList({
    label: "Numbers per second", choices: SPEEDS, onChange: (value) => { perSecond = value; if (timer) play(); },
  });

  let shown = [];
  let timer = 0;
  let perSecond = 2;
  let drawnFor = "";
  speed.set(perSecond);
  const last = () => Math.max(...shown.map((one) => one.steps));

  // New sizes start at the beginning. A kernel that no longer fits is made smaller, and that is said.
  function change(values) {
    pause();
    const wanted = { ...settings(), ...values };
    const room = wanted.input_size + 2 * wanted.padding;
    note.textContent = wanted.kernel_size > room
      ? `A kernel of ${wanted.kernel_size} does not fit into ${room} numbers, so it is ${room} now.` : "";
    assign(model, { ...values, kernel_size: Math.min(wanted.kernel_size, room), position: 1 });
  }

  function move(position) {
    pause();
    assign(model, { position: Math.min(Math.max(position, 1), last()) });
  }

  function play() {
    clearInterval(timer);
    if (model.get("position") >= last()) model.set("position", 1);
    playing.textContent = "Pause";
    timer = setInterval(() => {
      model.set("position", model.get("position") + 1); // Python hears of it at the pause
      if (model.get("position") >= last()) pause();
    }, 1000 / perSecond);
  }

  function pause() {
    if (!timer) return;
    clearInterval(timer);
    timer = 0;
    playing.textContent = "Play";
    model.save_changes();
    draw();
  }

  function draw() {
    const now = settings();
    if (JSON.stringify(now) !== drawnFor) {
      drawnFor = JSON.stringify(now);
      const chosen = [now.kind, now.beside].filter(Boolean);
      shown = chosen.map((kind) => panel(kind, now));
      panels.replaceChildren(...shown.map((one) => one.el));
      (shown.length === 1 ? shown[0].side : panels).append(comparison(now, chosen));
      kindButtons.set(kinds.map((kind) => ({ value: kind, text: kind })), now.kind);
      beside.set(now.beside, (kind) => kind === now.kind);
      for (const [name, list] of sizes) {
        list.set(now[name], (choice) => outputSize(now.input_size, name === "kernel_size" ? choice : 1, 1, now.padding) < 1);
      }
      slider.max = last();
    }
    const position = Math.min(model.get("position"), last()); // Python may have left it behind the end
    const said = shown.map((one) => one.show(position));
    slider.value = position;
    place.textContent = `${position} of ${last()}`;
    slider.setAttribute("aria-valuetext", place.textContent);
    // Not `disabled`: a button that is focused when it ends would lose the focus.
    back.setAttribute("aria-disabled", String(position <= 1));
    step.setAttribute("aria-disabled", String(position >= last()));
    if (!timer) live.textContent = `Step ${place.textContent}. ${said.join(" ")}`;
  }

  root(el, "Convolution stepper").append(
    make("div", { class: "mnx-bar-of-controls" }, kindButtons.el, beside.el),
    make("div", { class: "mnx-bar-of-controls" }, sizes.map(([, list]) => list.el)),
    make("div", { class: "mnx-bar-of-controls" }, back, playing, step,
      make("label", { class: "mnx-control" }, make("span", {}, "Position"), slider, place), speed.el),
    note, panels, live);

  const stop = follow(model, [...NAMES, "position"], draw);
  return () => { clearInterval(timer); stop(); };
}

export default { render };
