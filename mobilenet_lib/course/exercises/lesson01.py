"""Exercises of lesson 01: the size, the weights and the MACs of a convolution."""

from __future__ import annotations

import math

import numpy as np

from mobilenet_lib.course.exercises._exercise import Arguments, Exercise


def output_size(input_size, kernel_size, stride, padding):
    """Side length of the output of a convolution; `padding` rows are added on every side."""
    padded = input_size + 2 * padding
    return (padded - kernel_size) // stride + 1


def conv_params(in_channels, out_channels, kernel_size, bias):
    """How many parameters a convolution has; `bias` is True or False."""
    weights = out_channels * in_channels * kernel_size**2
    return weights + out_channels if bias else weights


def conv_macs(in_channels, out_channels, kernel_size, output_height, output_width):
    """How many MACs a standard convolution takes, bias not counted."""
    macs_per_output = in_channels * kernel_size**2
    return out_channels * output_height * output_width * macs_per_output


def _random_size(rng: np.random.Generator) -> Arguments:
    kernel_size = rng.integers(2, 8)
    stride, padding = rng.integers(2, 5), rng.integers(1, kernel_size)
    return rng.integers(kernel_size, 80), kernel_size, stride, padding


def random_layer(rng: np.random.Generator) -> Arguments:
    """Channels, kernel size, height and width, so small that counting the loops one by one also ends in time."""
    return tuple(rng.integers(2, (9, 9, 6, 12, 12)))


OUTPUT_SIZE = Exercise(
    prompt="Write the side length of a convolution's output for any input size, kernel size, stride and padding.",
    reference=output_size,
    returns="whole number",
    cases=((5, 3, 1, 0), (7, 3, 2, 0), (8, 3, 2, 1), (224, 7, 2, 3), (16, 3, 4, 0)),
    random_case=_random_size,
    first_hint="Draw a 7×7 input and a 3×3 kernel on squared paper and move the kernel by 2. How many steps fit before "
    "it would leave the paper, and where was it before the first step?",
    second_hint="First find how long the padded side is. The kernel's left edge may stand at 0, then at one stride, "
    "and so on, as long as the whole kernel stays inside: count these positions, the one at 0 too.",
    mistakes={
        "padding_ignored": lambda size, k, s, p: (size - k) // s + 1,
        "padding_on_one_side": lambda size, k, s, p: (size + p - k) // s + 1,
        "steps_not_positions": lambda size, k, s, p: (size + 2 * p - k) // s,
        "not_rounded": lambda size, k, s, p: (size + 2 * p - k) / s + 1,
        "rounded_up": lambda size, k, s, p: math.ceil((size + 2 * p - k) / s) + 1,
        "rounded_to_the_nearest": lambda size, k, s, p: round((size + 2 * p - k) / s) + 1,
        "one_before_dividing": lambda size, k, s, p: (size + 2 * p - k + 1) // s,
        "stride_ignored": lambda size, k, s, p: size + 2 * p - k + 1,
    },
    messages={
        "padding_ignored": "Your values fit an input without padding. The padding makes the input larger before the "
        "kernel moves over it: how large?",
        "padding_on_one_side": "You counted the padding once. It is added on the left and on the right (and above and "
        "below).",
        "steps_not_positions": "You counted the steps between the positions of the kernel. The position where it "
        "starts gives an output too.",
        "not_rounded": "Your values are not always whole. When the last step would carry the kernel over the edge, "
        "what happens to that step?",
        "rounded_up": "You rounded up. A last step that would carry the kernel over the edge is not made, not even in "
        "part.",
        "rounded_to_the_nearest": "You rounded to the nearest whole number. A last step that would carry the kernel "
        "over the edge is not made, however little it would be over.",
        "one_before_dividing": "You divided all the positions of stride 1 by the stride. The first position is always "
        "used; only the steps after it get longer.",
        "stride_ignored": "Your values fit stride 1. With a larger stride the kernel skips positions.",
    },
    minutes=10,
    difficulty=2,
)

CONV_PARAMS = Exercise(
    prompt="Write how many parameters a convolution has: its weights, and its biases where it has any.",
    reference=conv_params,
    returns="whole number",
    cases=((1, 1, 3, False), (3, 256, 5, False), (3, 64, 3, True), (64, 128, 1, True)),
    random_case=lambda rng: (*rng.integers(2, (64, 64, 8)), bool(rng.integers(2))),
    first_hint="Look at one output channel only: which numbers does it need to compute a single output value from all "
    "input channels?",
    second_hint="One output channel has a kernel of its own for every input channel, and with a bias one number more. "
    "Then there are as many such sets as output channels. The size of the image plays no part.",
    mistakes={
        "input_channels_forgotten": lambda m, n, k, bias: n * k**2 + (n if bias else 0),
        "kernel_not_squared": lambda m, n, k, bias: n * m * k + (n if bias else 0),
        "bias_forgotten": lambda m, n, k, bias: n * m * k**2,
        "bias_always": lambda m, n, k, bias: n * m * k**2 + n,
        "bias_per_input_channel": lambda m, n, k, bias: n * m * k**2 + (m if bias else 0),
        "one_bias": lambda m, n, k, bias: n * m * k**2 + int(bias),
    },
    messages={
        "input_channels_forgotten": "You gave each output channel one flat kernel. A kernel is as deep as its input: "
        "it has a layer of weights for every input channel.",
        "kernel_not_squared": "You counted one side of the kernel. It has a height and a width.",
        "bias_forgotten": "Your weights are right, and you never count a bias. With `bias=True`, which sums get one "
        "more number?",
        "bias_always": "You count the biases even when `bias` is False.",
        "bias_per_input_channel": "You gave every input channel a bias. A bias is added to a finished sum: how many "
        "kinds of sums are there?",
        "one_bias": "You counted a single bias for the whole layer. The output channels do not share it.",
    },
    minutes=7,
    difficulty=1,
)

CONV_MACS = Exercise(
    prompt="Write how many MACs a standard convolution takes, from its channels, its kernel and the size of its "
    "output.",
    reference=conv_macs,
    returns="whole number",
    cases=((1, 1, 3, 2, 2), (3, 256, 5, 8, 8), (2, 3, 1, 4, 6), (4, 2, 3, 5, 3)),
    random_case=random_layer,
    first_hint="How many MACs make one output value? And how many output values are there?",
    second_hint="One output value sums over the whole kernel in every input channel. This is done at every position of "
    "the output and for every output channel, so the numbers multiply.",
    mistakes={
        "flops": lambda m, n, k, h, w: 2 * n * h * w * m * k**2,
        "weights_only": lambda m, n, k, h, w: n * m * k**2,
        "input_channels_forgotten": lambda m, n, k, h, w: n * h * w * k**2,
        "output_channels_forgotten": lambda m, n, k, h, w: h * w * m * k**2,
        "kernel_not_squared": lambda m, n, k, h, w: n * h * w * m * k,
        "channels_added": lambda m, n, k, h, w: (m + n) * h * w * k**2,
    },
    messages={
        "flops": "These are FLOPs, the question asks for MACs. A multiplication and its addition are one MAC.",
        "weights_only": "You counted the weights. Each weight is used again and again: at how many positions does the "
        "kernel stand?",
        "input_channels_forgotten": "You let each output see one input channel. In a standard convolution it sees all "
        "of them.",
        "output_channels_forgotten": "You counted the work for a single output channel.",
        "kernel_not_squared": "You counted one side of the kernel. It has a height and a width.",
        "channels_added": "You added the channel counts. Every output channel sees every input channel: how many pairs "
        "are that?",
    },
    minutes=8,
    difficulty=1,
)

EXERCISES = (OUTPUT_SIZE, CONV_PARAMS, CONV_MACS)
