"""Exercises of lesson 01: the size, the weights and the MACs of a convolution.

The functions at the top level are the reference solutions as learners see them, so they carry no types.
"""

from __future__ import annotations

import math

import numpy as np

from mobilenet_lib.course.exercises._exercise import Arguments, Exercise, Misconception


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


def _random_size(generator: np.random.Generator) -> Arguments:
    kernel_size = int(generator.integers(2, 8))
    stride, padding = int(generator.integers(2, 5)), int(generator.integers(1, kernel_size))
    return int(generator.integers(kernel_size, 80)), kernel_size, stride, padding


def _random_params(generator: np.random.Generator) -> Arguments:
    in_channels, out_channels, kernel_size = (int(number) for number in generator.integers(2, (64, 64, 8)))
    return in_channels, out_channels, kernel_size, bool(generator.integers(2))


def _random_macs(generator: np.random.Generator) -> Arguments:
    # Small enough that counting the loops one by one also ends in time.
    return tuple(int(number) for number in generator.integers(2, (9, 9, 6, 12, 12)))


OUTPUT_SIZE = Exercise(
    lesson="01",
    prompt="Write the side length of a convolution's output for any input size, kernel size, stride and padding.",
    reference=output_size,
    returns="whole number",
    cases=((5, 3, 1, 0), (7, 3, 2, 0), (8, 3, 2, 1), (224, 7, 2, 3)),
    random_case=_random_size,
    hints=(
        "Draw a 7×7 input and a 3×3 kernel on squared paper and move the kernel by 2. How many steps fit before it "
        "would leave the paper, and where was it before the first step?",
        "First find how long the padded side is. The kernel's left edge may stand at 0, then at one stride, and so on, "
        "as long as the whole kernel stays inside: count these places, the one at 0 too.",
    ),
    misconceptions=(
        Misconception(
            "padding_ignored",
            lambda input_size, kernel_size, stride, padding: (input_size - kernel_size) // stride + 1,
            "Your values fit an input without padding. The padding makes the input larger before the kernel moves over "
            "it: how large?",
        ),
        Misconception(
            "padding_on_one_side",
            lambda input_size, kernel_size, stride, padding: (input_size + padding - kernel_size) // stride + 1,
            "You counted the padding once. It is added on the left and on the right (and above and below).",
        ),
        Misconception(
            "steps_not_places",
            lambda input_size, kernel_size, stride, padding: (input_size + 2 * padding - kernel_size) // stride,
            "You counted the steps between the places of the kernel. The place where it starts gives an output too.",
        ),
        Misconception(
            "not_rounded",
            lambda input_size, kernel_size, stride, padding: (input_size + 2 * padding - kernel_size) / stride + 1,
            "Your values are not always whole. When the last step would carry the kernel over the edge, what happens to "
            "that step?",
        ),
        Misconception(
            "rounded_up",
            lambda input_size, kernel_size, stride, padding: (
                math.ceil((input_size + 2 * padding - kernel_size) / stride) + 1
            ),
            "You rounded up. A last step that would carry the kernel over the edge is not made, not even in part.",
        ),
        Misconception(
            "one_before_dividing",
            lambda input_size, kernel_size, stride, padding: (input_size + 2 * padding - kernel_size + 1) // stride,
            "You divided all the places of stride 1 by the stride. The first place is always used; only the steps after "
            "it get longer.",
        ),
        Misconception(
            "stride_ignored",
            lambda input_size, kernel_size, stride, padding: input_size + 2 * padding - kernel_size + 1,
            "Your values fit stride 1. With a larger stride the kernel skips places.",
        ),
    ),
)

CONV_PARAMS = Exercise(
    lesson="01",
    prompt="Write how many parameters a convolution has: its weights, and its biases where it has any.",
    reference=conv_params,
    returns="whole number",
    cases=((1, 1, 3, False), (3, 256, 5, False), (3, 64, 3, True), (64, 128, 1, True)),
    random_case=_random_params,
    hints=(
        "Look at one output channel only: which numbers does it need to compute a single output value from all input "
        "channels?",
        "One output channel has a kernel of its own for every input channel, and with a bias one number more. Then "
        "there are as many such sets as output channels. The size of the picture plays no part.",
    ),
    misconceptions=(
        Misconception(
            "input_channels_forgotten",
            lambda in_channels, out_channels, kernel_size, bias: (
                out_channels * kernel_size**2 + (out_channels if bias else 0)
            ),
            "You gave each output channel one flat kernel. A kernel is as deep as its input: it has a layer of weights "
            "for every input channel.",
        ),
        Misconception(
            "kernel_not_squared",
            lambda in_channels, out_channels, kernel_size, bias: (
                out_channels * in_channels * kernel_size + (out_channels if bias else 0)
            ),
            "You counted one side of the kernel. It has a height and a width.",
        ),
        Misconception(
            "bias_forgotten",
            lambda in_channels, out_channels, kernel_size, bias: out_channels * in_channels * kernel_size**2,
            "Your weights are right, and you never count a bias. With `bias=True`, which sums get one more number?",
        ),
        Misconception(
            "bias_always",
            lambda in_channels, out_channels, kernel_size, bias: (
                out_channels * in_channels * kernel_size**2 + out_channels
            ),
            "You count the biases even when `bias` is False.",
        ),
        Misconception(
            "bias_per_input_channel",
            lambda in_channels, out_channels, kernel_size, bias: (
                out_channels * in_channels * kernel_size**2 + (in_channels if bias else 0)
            ),
            "You gave every input channel a bias. A bias is added to a finished sum: how many kinds of sums are there?",
        ),
        Misconception(
            "one_bias",
            lambda in_channels, out_channels, kernel_size, bias: (
                out_channels * in_channels * kernel_size**2 + int(bias)
            ),
            "You counted a single bias for the whole layer. The output channels do not share it.",
        ),
    ),
)

CONV_MACS = Exercise(
    lesson="01",
    prompt="Write how many MACs a standard convolution takes, from its channels, its kernel and the size of its output.",
    reference=conv_macs,
    returns="whole number",
    cases=((1, 1, 3, 2, 2), (3, 256, 5, 8, 8), (2, 3, 1, 4, 6), (4, 2, 3, 5, 3)),
    random_case=_random_macs,
    hints=(
        "How many MACs make one output value? And how many output values are there?",
        "One output value sums over the whole kernel in every input channel. This is done at every place of the output "
        "and for every output channel, so the numbers multiply.",
    ),
    misconceptions=(
        Misconception(
            "flops",
            lambda in_channels, out_channels, kernel_size, output_height, output_width: (
                2 * out_channels * output_height * output_width * in_channels * kernel_size**2
            ),
            "These are FLOPs, the question asks for MACs. A multiplication and its addition are one MAC.",
        ),
        Misconception(
            "weights_only",
            lambda in_channels, out_channels, kernel_size, output_height, output_width: (
                out_channels * in_channels * kernel_size**2
            ),
            "You counted the weights. Each weight is used again and again: at how many places does the kernel stand?",
        ),
        Misconception(
            "input_channels_forgotten",
            lambda in_channels, out_channels, kernel_size, output_height, output_width: (
                out_channels * output_height * output_width * kernel_size**2
            ),
            "You let each output look at one input channel. In a standard convolution it looks at all of them.",
        ),
        Misconception(
            "output_channels_forgotten",
            lambda in_channels, out_channels, kernel_size, output_height, output_width: (
                output_height * output_width * in_channels * kernel_size**2
            ),
            "You counted the work for a single output channel.",
        ),
        Misconception(
            "kernel_not_squared",
            lambda in_channels, out_channels, kernel_size, output_height, output_width: (
                out_channels * output_height * output_width * in_channels * kernel_size
            ),
            "You counted one side of the kernel. It has a height and a width.",
        ),
        Misconception(
            "channels_added",
            lambda in_channels, out_channels, kernel_size, output_height, output_width: (
                (in_channels + out_channels) * output_height * output_width * kernel_size**2
            ),
            "You added the channel counts. Every output channel looks at every input channel: how many pairs are that?",
        ),
    ),
)

EXERCISES = (OUTPUT_SIZE, CONV_PARAMS, CONV_MACS)
