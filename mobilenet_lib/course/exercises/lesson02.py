"""Exercises of lesson 02: cost and kernel of a separable layer, grouped weights, and both layers in Paddle."""

from __future__ import annotations

from typing import Any

import numpy as np

from mobilenet_lib.course.exercises._building import Building
from mobilenet_lib.course.exercises._exercise import Arguments, Exercise
from mobilenet_lib.course.exercises._wrong_layers import (
    GROUPS_FORGOTTEN,
    PADDING_FORGOTTEN,
    PADDING_SAME,
    STRIDE_FORGOTTEN,
    brick,
    layers,
)
from mobilenet_lib.course.exercises.lesson01 import random_layer


def separable_macs(in_channels, out_channels, kernel_size, height, width):
    """How many MACs a depthwise and then a 1×1 convolution take; the feature map stays height × width."""
    depthwise = height * width * in_channels * kernel_size**2
    pointwise = height * width * in_channels * out_channels
    return depthwise + pointwise


def cost_ratio(out_channels, kernel_size):
    """MACs of the separable layer divided by the MACs of the standard layer."""
    return 1 / out_channels + 1 / kernel_size**2


def grouped_weight_shape(in_channels, out_channels, kernel_size, groups):
    """Shape of the weights of a grouped convolution in Paddle, as a list of four numbers."""
    return [out_channels, in_channels // groups, kernel_size, kernel_size]


def separable_kernel(depthwise, pointwise):
    """The standard kernel [out, in, k, k] equal to depthwise [in, 1, k, k], then pointwise [out, in, 1, 1]."""
    one_per_channel = depthwise[:, 0]  # [in, k, k]
    return pointwise * one_per_channel  # [out, in, 1, 1] × [in, k, k] → [out, in, k, k]


def depthwise_layer(channels, kernel_size, stride):
    """A Paddle layer: one k × k kernel for each channel, without bias; at stride 1 the feature map keeps its size."""
    from paddle import nn

    return nn.Conv2D(
        channels, channels, kernel_size, stride, padding=kernel_size // 2, groups=channels, bias_attr=False
    )


def pointwise_layer(in_channels, out_channels):
    """A Paddle layer: a 1×1 convolution without bias."""
    from paddle import nn

    return nn.Conv2D(in_channels, out_channels, 1, bias_attr=False)


def _random_groups(rng: np.random.Generator) -> Arguments:
    groups, kernel_size = rng.integers(2, (9, 8))
    return *(groups * rng.integers(1, 9, size=2)), kernel_size, groups


def _kernels(in_channels: int, out_channels: int, kernel_size: int, rng: np.random.Generator) -> Arguments:
    depthwise = rng.normal(size=(in_channels, 1, kernel_size, kernel_size))
    return depthwise, rng.normal(size=(out_channels, in_channels, 1, 1))


def _fully_connected(in_channels: int, out_channels: int) -> Any:
    from paddle import nn

    matrix = nn.Linear(in_channels, out_channels, bias_attr=False)
    return layers(matrix, forward=lambda x: matrix(x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2]))


SEPARABLE_MACS = Exercise(
    prompt="Write how many MACs a depthwise separable layer takes: the depthwise part and the 1×1 part, at stride 1.",
    reference=separable_macs,
    returns="whole number",
    cases=((3, 256, 5, 8, 8), (1, 1, 3, 2, 2), (4, 6, 3, 5, 7), (6, 4, 1, 3, 3)),
    random_case=random_layer,
    first_hint="Count the two parts one after the other. In each: how many MACs make one output value, and how many "
    "output values are there?",
    second_hint="A depthwise output value sums over the kernel in its own channel, and there are as many channels as "
    "in the input. A pointwise output value sums over the input channels at one position. The layer does both.",
    mistakes={
        "pointwise_with_k_by_k": lambda m, n, k, h, w: h * w * m * k**2 * (1 + n),
        "depthwise_over_all_pairs": lambda m, n, k, h, w: h * w * m * n * (k**2 + 1),
        "product_not_sum": lambda m, n, k, h, w: (h * w * m * k**2) * (h * w * m * n),
        "flops": lambda m, n, k, h, w: 2 * h * w * m * (k**2 + n),
        "standard": lambda m, n, k, h, w: h * w * m * n * k**2,
        "depthwise_only": lambda m, n, k, h, w: h * w * m * k**2,
        "pointwise_only": lambda m, n, k, h, w: h * w * m * n,
        "depthwise_over_output_channels": lambda m, n, k, h, w: h * w * n * (k**2 + m),
    },
    messages={
        "pointwise_with_k_by_k": "You counted the pointwise kernel as k×k. It is 1×1: it mixes channels and does no "
        "spatial filtering.",
        "depthwise_over_all_pairs": "You counted the depthwise part over all pairs of input and output channels. A "
        "depthwise kernel sees its own channel only.",
        "product_not_sum": "You multiplied the two parts. One runs after the other, so how do their costs combine?",
        "flops": "These are FLOPs, the question asks for MACs. A multiplication and its addition are one MAC.",
        "standard": "This is the cost of the standard convolution. The separable one splits it: first space, then "
        "channels.",
        "depthwise_only": "You counted the depthwise part only. What still mixes the channels?",
        "pointwise_only": "You counted the pointwise part only. What still does the spatial filtering?",
        "depthwise_over_output_channels": "You gave the depthwise part as many channels as the output. It runs first: "
        "which channels are there then?",
    },
    minutes=7,
    difficulty=1,
)

COST_RATIO = Exercise(
    prompt="Write which part of a standard layer's MACs its separable form takes. Only two numbers are needed.",
    reference=cost_ratio,
    returns="number",
    cases=((128, 3), (256, 5), (1, 3), (64, 1)),
    random_case=lambda rng: (rng.integers(2, 1025), rng.integers(2, 10)),
    first_hint="Write both costs with letters, the separable one above the standard one, and cancel what stands in "
    "both.",
    second_hint="The separable cost is a sum of two parts. Divide each part by the standard cost alone: in one of them "
    "the kernel cancels, in the other the output channels. Then add.",
    mistakes={
        "inverted": lambda n, k: 1 / (1 / n + 1 / k**2),
        "pointwise_forgotten": lambda n, k: 1 / n,
        "depthwise_forgotten": lambda n, k: 1 / k**2,
        "kernel_not_squared": lambda n, k: 1 / n + 1 / k,
        "product_of_terms": lambda n, k: 1 / (n * k**2),
        "sum_below_the_line": lambda n, k: 1 / (n + k**2),
        "percent": lambda n, k: 100 / n + 100 / k**2,
    },
    messages={
        "inverted": "This is standard divided by separable: how many times fewer. The question asks for the other "
        "ratio.",
        "pointwise_forgotten": "Only the depthwise part is in your ratio. The separable cost is a sum of two parts, "
        "and each leaves a term.",
        "depthwise_forgotten": "Only the pointwise part is in your ratio. That comes close for many channels, but with "
        "few it fails.",
        "kernel_not_squared": "You counted one side of the kernel. It has a height and a width.",
        "product_of_terms": "You multiplied the two terms. The two parts of the layer run one after the other, so how "
        "do costs combine?",
        "sum_below_the_line": "You added below the fraction line. Fractions with different denominators are not added "
        "that way.",
        "percent": "This is in per cent. The question asks for the ratio itself, where 1 means the same cost.",
    },
    minutes=6,
    difficulty=2,
)

GROUPED_WEIGHT_SHAPE = Exercise(
    prompt="Write the shape of a grouped convolution's weights in Paddle, as a list of four numbers.",
    reference=grouped_weight_shape,
    returns="shape",
    cases=((6, 12, 3, 3), (8, 8, 5, 8), (64, 128, 1, 1), (4, 20, 3, 2)),
    random_case=_random_groups,
    first_hint="Paddle's order is: output channels, depth of a kernel, height, width. Groups change how deep a kernel "
    "is.",
    second_hint="Each output channel still has one kernel. It sees only the input channels of its own group, and the "
    "groups share the input channels equally.",
    mistakes={
        "groups_ignored": lambda m, n, k, g: [n, m, k, k],
        "outputs_divided_too": lambda m, n, k, g: [n // g, m // g, k, k],
        "outputs_divided_only": lambda m, n, k, g: [n // g, m, k, k],
        "channels_swapped": lambda m, n, k, g: [m // g, n, k, k],
        "depth_is_groups": lambda m, n, k, g: [n, g, k, k],
        "channels_last": lambda m, n, k, g: [k, k, m // g, n],
    },
    messages={
        "groups_ignored": "This is the shape with one group. With more, a kernel does not see all input channels.",
        "outputs_divided_too": "This is the shape for one of the groups. The layer keeps the weights of all groups in "
        "one array.",
        "outputs_divided_only": "You divided the output channels. All of them still need a kernel; it is the kernel "
        "that gets thinner.",
        "channels_swapped": "Input and output are swapped. In Paddle the first number counts the kernels, one for each "
        "output channel.",
        "depth_is_groups": "You wrote the number of groups as the depth. How many input channels are there in one "
        "group?",
        "channels_last": "The numbers are right, the order is that of TensorFlow. Paddle puts the kernels first, "
        "height and width last.",
    },
    minutes=5,
    difficulty=1,
)

SEPARABLE_KERNEL = Exercise(
    prompt="Write the one standard kernel that does the same as a depthwise kernel followed by a pointwise kernel.",
    reference=separable_kernel,
    returns="array",
    cases=tuple(
        _kernels(*sizes, np.random.default_rng(seed))
        for seed, sizes in enumerate(((1, 1, 3), (3, 2, 3), (2, 5, 1), (4, 4, 5)))
    ),
    random_case=lambda rng: _kernels(*rng.integers(2, 6, size=3), rng),
    first_hint="Follow one input channel to one output channel: the depthwise kernel makes a feature map, and then "
    "what does the 1×1 kernel do with every pixel of it?",
    second_hint="From input channel i to output channel o, the whole kernel of channel i is scaled by one number. Loop "
    "over all pairs, or let numpy broadcast after dropping the depthwise axis of length 1.",
    mistakes={
        "added": lambda depthwise, pointwise: pointwise + depthwise[:, 0],
        "pointwise_ignored": lambda depthwise, pointwise: np.ones_like(pointwise) * depthwise[:, 0],
        "depthwise_ignored": lambda depthwise, pointwise: pointwise * np.ones_like(depthwise[:, 0]),
        "first_channel_for_all": lambda depthwise, pointwise: pointwise * depthwise[0, 0],
        "channels_swapped": lambda depthwise, pointwise: (pointwise * depthwise[:, 0]).swapaxes(0, 1),
        "summed_over_inputs": lambda depthwise, pointwise: (pointwise * depthwise[:, 0]).sum(axis=1, keepdims=True),
        "flipped": lambda depthwise, pointwise: pointwise * depthwise[:, 0, ::-1, ::-1],
    },
    messages={
        "added": "You added the two kernels. The second layer works on the output of the first: what does a weight do "
        "to a value?",
        "pointwise_ignored": "Your kernel repeats the depthwise one and leaves out the weights with which the channels "
        "are mixed.",
        "depthwise_ignored": "Your kernel repeats the pointwise weights and leaves out what the depthwise kernel does "
        "with neighbours.",
        "first_channel_for_all": "You used the first channel's depthwise kernel for all. Each input channel has its "
        "own.",
        "channels_swapped": "The values are right, but input and output are swapped: the first axis counts the output "
        "channels.",
        "summed_over_inputs": "You summed over the input channels. The sum is made of their outputs, later; the kernel "
        "keeps one slice for each.",
        "flipped": "You flipped the kernel. Deep learning's convolution does not flip: it lays the kernel on the image "
        "as it is.",
    },
    minutes=12,
    difficulty=3,
    points=20,
)

DEPTHWISE_LAYER = Building(
    prompt="Build a depthwise convolution as a Paddle layer, and return the layer.",
    reference=depthwise_layer,
    image=lambda channels, kernel_size, stride: (channels, 9, 8),
    cases=((3, 3, 1), (4, 5, 1), (6, 3, 2)),
    random_case=lambda rng: (rng.integers(2, 9), 2 * rng.integers(1, 4) + 1, rng.integers(1, 3)),
    first_hint="It is one `nn.Conv2D`. Which of its arguments says that each channel is a group of its own?",
    second_hint="As many groups as channels; a padding of half the kernel, cut to a whole number; and `bias_attr` says "
    "whether there is a bias.",
    mistakes={
        "groups_forgotten": lambda m, k, s: brick(m, m, k, s, order="conv"),
        "groups_and_padding_forgotten": lambda m, k, s: brick(m, m, k, s, order="conv", padding=0),
        "padding_forgotten": lambda m, k, s: brick(m, m, k, s, m, "conv", padding=0),
        "padding_always_1": lambda m, k, s: brick(m, m, k, s, m, "conv", padding=1),
        "padding_same": lambda m, k, s: brick(m, m, k, s, m, "conv", padding="SAME"),
        "padding_of_the_kernel": lambda m, k, s: brick(m, m, k, s, m, "conv", padding=k),
        "stride_forgotten": lambda m, k, s: brick(m, m, k, 1, m, "conv"),
        "bias_kept": lambda m, k, s: brick(m, m, k, s, m, "conv", bias=True),
        "activation_added": lambda m, k, s: brick(m, m, k, s, m, "conv relu"),
    },
    messages={
        "groups_forgotten": GROUPS_FORGOTTEN,
        "groups_and_padding_forgotten": "Two things: your kernels see all channels, where each should see its own, and "
        "your feature map shrinks at its edges.",
        "padding_forgotten": PADDING_FORGOTTEN,
        "padding_always_1": "A padding of 1 keeps the size for a 3×3 kernel. Which padding does it for 5×5?",
        "padding_same": PADDING_SAME,
        "padding_of_the_kernel": "Your feature map grows: the padding is as wide as the kernel. How far does a kernel "
        "reach beyond its centre?",
        "stride_forgotten": STRIDE_FORGOTTEN,
        "bias_kept": "Your convolution has a bias, which `nn.Conv2D` adds unless it is told not to.",
        "activation_added": "Your layer has a ReLU behind the convolution. The convolution alone is asked for.",
    },
    minutes=6,
    difficulty=1,
)

POINTWISE_LAYER = Building(
    prompt="Build a pointwise convolution as a Paddle layer, and return the layer.",
    reference=pointwise_layer,
    image=lambda in_channels, out_channels: (in_channels, 5, 5),
    cases=((3, 6), (4, 4), (6, 2)),
    random_case=lambda rng: tuple(rng.integers(2, 9, size=2)),
    first_hint="It is one `nn.Conv2D` again. How large is its kernel, and how many groups has it?",
    second_hint="Every output channel must see all input channels, so leave the groups alone. A kernel of one number "
    "needs no padding.",
    mistakes={
        "kernel_of_3": lambda m, n: brick(m, n, 3, order="conv"),
        "padded": lambda m, n: brick(m, n, order="conv", padding=1),
        "bias_kept": lambda m, n: brick(m, n, order="conv", bias=True),
        "channels_swapped": lambda m, n: brick(n, m, order="conv"),
        "grouped": lambda m, n: brick(m, n, groups=m, order="conv"),
        "fully_connected": _fully_connected,
    },
    messages={
        "kernel_of_3": "Your kernel is 3×3. A pointwise one looks at a single position.",
        "padded": "Your feature map grows at its edges: a kernel of one number needs no padding.",
        "bias_kept": "Your convolution has a bias, which `nn.Conv2D` adds unless it is told not to.",
        "channels_swapped": "You swapped the channels. Which of the two does `nn.Conv2D` take first?",
        "grouped": "You kept the channels apart, as a depthwise layer does. This one is there to mix them.",
        "fully_connected": "A fully connected layer at each position does the same sums, but its weights are a matrix. "
        "Here they should be those of a convolution, of shape [out, in, 1, 1].",
    },
    minutes=4,
    difficulty=1,
)

EXERCISES = (SEPARABLE_MACS, COST_RATIO, GROUPED_WEIGHT_SHAPE, SEPARABLE_KERNEL, DEPTHWISE_LAYER, POINTWISE_LAYER)
