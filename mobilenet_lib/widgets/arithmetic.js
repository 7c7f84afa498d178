// What a layer costs: the rules of mobilenet_lib/cost.py, for pages where no Python runs.
// tests/browser/test_widgets.py compares the two on random settings.

const pair = (value) => (Array.isArray(value) ? value : [value, value]);
const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

// Height or width after padding. "same": just enough that ceil(size / stride) windows fit.
function padded(size, kernel, stride, padding) {
  if (padding === "valid") return size;
  if (padding === "same") return Math.max(size, (Math.ceil(size / stride) - 1) * stride + kernel);
  return size + 2 * padding;
}

// How often the window fits along one side: floor((padded - kernel) / stride) + 1; 0 or less where it does not.
export function outputSize(size, kernel, stride, padding) {
  return Math.floor((padded(size, kernel, stride, padding) - kernel) / stride) + 1;
}

// Cost of a convolution. kernelSize, inputSize, stride, padding: a number or [height, width];
// padding may be "same" or "valid". MACs = out height · out width · out channels · (in channels / groups) · kernel area.
export function conv2dCost({
  inChannels, outChannels, kernelSize, inputSize, stride = 1, padding = "same", groups = 1, bias = false,
}) {
  const [kernels, sizes, strides, paddings] = [kernelSize, inputSize, stride, padding].map(pair);
  const [height, width] = [0, 1].map((side) => outputSize(sizes[side], kernels[side], strides[side], paddings[side]));
  const weights = outChannels * (inChannels / groups) * product(kernels);
  const macs = height * width * weights;
  return {
    macs,
    flops: 2 * macs,
    params: weights + (bias ? outChannels : 0),
    outputShape: [outChannels, height, width],
    activations: outChannels * height * width,
  };
}

// Cost of a depthwise convolution and the 1×1 convolution after it, with their sums.
export function separableCost({ outChannels, ...layer }) {
  const depthwise = conv2dCost({ ...layer, outChannels: layer.inChannels, groups: layer.inChannels });
  const pointwise = conv2dCost({
    inChannels: layer.inChannels, outChannels, kernelSize: 1, inputSize: depthwise.outputShape.slice(1), bias: layer.bias,
  });
  const sum = (name) => depthwise[name] + pointwise[name];
  return {
    depthwise,
    pointwise,
    macs: sum("macs"),
    flops: sum("flops"),
    params: sum("params"),
    outputShape: pointwise.outputShape,
    activations: sum("activations"),
  };
}

// Every number of groups that divides both channel counts.
export function legalGroups(inChannels, outChannels) {
  const most = Math.min(inChannels, outChannels);
  return Array.from({ length: most }, (_, i) => i + 1).filter((g) => inChannels % g === 0 && outChannels % g === 0);
}

// Why so many groups are impossible, or "" where they are possible.
export function whyNotGroups(groups, inChannels, outChannels) {
  return [["input", inChannels], ["output", outChannels]]
    .filter(([, channels]) => channels % groups !== 0)
    .map(([side, channels]) => `${channels} ${side} channels ÷ ${groups} = ${Math.floor(channels / groups)} remainder ${channels % groups}`)
    .join(", ");
}

// The largest possible number of groups that is not above the wanted one, and a sentence where it is another.
export function nearestGroups(groups, inChannels, outChannels) {
  const possible = Math.max(...legalGroups(inChannels, outChannels).filter((g) => g <= groups));
  const why = whyNotGroups(groups, inChannels, outChannels);
  return [possible, why ? `${groups} groups are impossible now (${why}), so groups is ${possible}.` : ""];
}
