"""Layers that are right pass in whatever form they are written; layers that come close do not, and learn why."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
from test_exercises import cell

from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.counting import count
from mobilenet_lib.course import exercises
from mobilenet_lib.course.exercises import EXERCISES, check, yours
from mobilenet_lib.course.exercises._building import Building, see, unlike
from mobilenet_lib.course.exercises._checking import examine
from mobilenet_lib.course.exercises._exercise import Exercise

BUILT = {name: task for name, task in EXERCISES.items() if isinstance(task, Building)}
HEAD = """
import paddle
import paddle.nn.functional as F
from paddle import nn
from mobilenet_lib.layers import ConvBNReLU, DepthwiseSeparable, InvertedResidual
from paddle.vision.models.mobilenetv2 import InvertedResidual as Vision
from paddle.vision.ops import ConvNormActivation

def cbr(m, n, k=1, s=1, g=1, *more):
    return nn.Sequential(nn.Conv2D(m, n, k, s, k // 2, groups=g, bias_attr=False), nn.BatchNorm2D(n), *more)

class Own(nn.Layer):
    def __init__(self, forward, *parts):
        super().__init__()
        self.parts, self.does = nn.LayerList(parts), forward

    def forward(self, x):
        return self.does(x, *self.parts)

class Kernels(nn.Layer):
    def __init__(self, shape, **how):
        super().__init__()
        self.kernels, self.how = self.create_parameter(shape), how

    def forward(self, x):
        return F.conv2d(x, self.kernels, **self.how)

class Norm(nn.Layer):
    def __init__(self, n):
        super().__init__()
        self.add = self.create_parameter([n], is_bias=True)
        self.times = self.create_parameter([n], default_initializer=nn.initializer.Constant(1.0))
        self.register_buffer("spread", paddle.ones([n]))
        self.register_buffer("middle", paddle.zeros([n]))

    def forward(self, x):
        return F.batch_norm(x, self.middle, self.spread, self.times, self.add, training=self.training)
"""
BLOCKS = {  # what begins the body of an exercise
    "linear_bottleneck": "m, n, s, t = in_channels, out_channels, stride, expansion\nw = t * m\n",
    "v1_features": "rows = [(m, n, s) for m, (s, n) in zip([32, *(n for _, n in table)], table)]\n",
    "v2_stage": "m, n, s, t = in_channels, out_channels, stride, expansion\n",
    "mobilenet_v2": "rows, m = [], 32\nfor t, n, r, s in table:\n"
    "    for i in range(r):\n        rows.append((m, n, 1 if i else s, t))\n        m = n\n"
    "stem, last = cbr(3, 32, 3, 2, 1, nn.ReLU6()), cbr(m, 1280, 1, 1, 1, nn.ReLU6())\n"
    "blocks = [InvertedResidual(*row) for row in rows]\n",
    "separable_block": "m, n, s = in_channels, out_channels, stride\n",
    "conv_bn_relu": "m, n, k, s, g = in_channels, out_channels, kernel_size, stride, groups\n",
    "depthwise_layer": "m, k, s = channels, kernel_size, stride\n",
    "pointwise_layer": "m, n = in_channels, out_channels\n",
}
BLOCKS["inverted_residual"] = BLOCKS["linear_bottleneck"] + (
    "steps = cbr(m, w, 1, 1, 1, nn.ReLU6()), cbr(w, w, 3, s, w, nn.ReLU6()), cbr(w, n)\nbody = nn.Sequential(*steps)\n"
)
POOL = "nn.AdaptiveAvgPool2D(1), nn.Flatten()"
BLOCKS["mobilenet_v1"] = BLOCKS["v1_features"] + (
    "m = table[-1][1]\nbody = [cbr(3, 32, 3, 2, 1, nn.ReLU()), *(DepthwiseSeparable(*row) for row in rows)]\n"
)
RIGHT = {
    "depthwise_layer": [
        "return Kernels([m, 1, k, k], stride=s, padding=k // 2, groups=m)",
        "return nn.Sequential(nn.Pad2D(k // 2), nn.Conv2D(m, m, (k, k), s, groups=m, bias_attr=False))",
        "return Own(lambda x, conv: conv(x), nn.Conv2D(m, m, k, s, k // 2, groups=m, bias_attr=False))",
    ],
    "pointwise_layer": [
        "return Kernels([n, m, 1, 1])",
        "return nn.Sequential(nn.Sequential(nn.Conv2D(m, n, (1, 1), padding='VALID', bias_attr=False)))",
        "layer = Kernels([n, m, 1, 1])\n"
        "layer.forward = lambda x: paddle.matmul(layer.kernels.reshape([n, m]), x.flatten(2)).reshape([-1, n, 5, 5])\n"
        "return layer",
        "return Own(lambda x, c: paddle.einsum('nm,bmhw->bnhw', c.kernels[:, :, 0, 0], x), Kernels([n, m, 1, 1]))",
    ],
    "conv_bn_relu": [
        "norm = nn.BatchNorm2D(n)\nconv = nn.Conv2D(m, n, k, s, k // 2, groups=g, bias_attr=False)\n"
        "return Own(lambda x, norm, conv: F.relu(norm(conv(x))), norm, conv)",
        "return nn.Sequential(Kernels([n, m // g, k, k], stride=s, padding=k // 2, groups=g), Norm(n), nn.ReLU())",
        "return ConvNormActivation(m, n, k, s, groups=g)",
        "return Own(lambda x, both: paddle.clip(both(x), min=0), cbr(m, n, k, s, g))",
        "conv = nn.Conv2D(m, n, k, s, k // 2, groups=g, bias_attr=False)\n"
        "return nn.Sequential(conv, nn.BatchNorm(n, act='relu'))",
    ],
    "separable_block": [
        "second, first = cbr(m, n), cbr(m, m, 3, s, m)\n"
        "return Own(lambda x, second, first: F.relu(second(F.relu(first(x)))), second, first)",
        "return nn.Sequential(*cbr(m, m, 3, s, m, nn.ReLU()), *cbr(m, n, 1, 1, 1, nn.ReLU()))",
        "return DepthwiseSeparable(m, n, s)",
        "relu = nn.ReLU()\nreturn nn.Sequential(cbr(m, m, 3, s, m), relu, Kernels([n, m, 1, 1]), Norm(n), relu)",
    ],
    "v1_features": [
        "return nn.Sequential(ConvNormActivation(3, 32, 3, 2), *(DepthwiseSeparable(*row) for row in rows))",
        "whole, m = nn.Sequential(), 32\nwhole.add_sublayer('begin', cbr(3, 32, 3, 2, 1, nn.ReLU()))\n"
        "for i, (s, n) in enumerate(table):\n"
        "    whole.add_sublayer(f'deep{i}', cbr(m, m, 3, s, m, nn.ReLU()))\n"
        "    whole.add_sublayer(f'mix{i}', cbr(m, n, 1, 1, 1, nn.ReLU()))\n    m = n\nreturn whole",
        "blocks = [DepthwiseSeparable(*row) for row in reversed(rows)]\n"
        "def forward(x, *parts):\n    for part in reversed(parts):\n        x = part(x)\n    return x\n"
        "return Own(forward, *blocks, ConvBNReLU(3, 32, stride=2))",
    ],
    "mobilenet_v1": [
        "return Own(lambda x, body, last: last(body(x).mean([2, 3])), nn.Sequential(*body), nn.Linear(m, num_classes))",
        "pool = lambda x, body, last: last(F.adaptive_avg_pool2d(body(x), 1).squeeze([2, 3]))\n"
        "return Own(pool, nn.Sequential(*body), nn.Linear(m, num_classes))",
        f"return nn.Sequential(*body, {POOL}, nn.Dropout(0.5), nn.Linear(m, num_classes))",
        "drop = lambda x, b, last: last(F.dropout(b(x).mean([2, 3]), 0.2, training=last.training))\n"
        "return Own(drop, nn.Sequential(*body), nn.Linear(m, num_classes))",
    ],
    "linear_bottleneck": [
        "return nn.Sequential(*cbr(m, w, 1, 1, 1, nn.ReLU6()), *cbr(w, w, 3, s, w, nn.ReLU6()), *cbr(w, n))",
        "bend = lambda x: paddle.clip(x, 0, 6)\nparts = cbr(w, n), cbr(w, w, 3, s, w), cbr(m, w)\n"
        "return Own(lambda x, project, spatial, expand: project(bend(spatial(bend(expand(x))))), *parts)",
        "return InvertedResidual(m, n, s, t, shortcut='none')",
    ],
    "inverted_residual": [
        "return Own(lambda x, body: body(x) + x, body) if s == 1 and m == n else body",
        "return InvertedResidual(m, n, s, t)",
        "return Vision(m, n, s, t)",
        "keep = float(s == 1 and m == n)\nreturn Own(lambda x, b: b(x) + x * keep if keep else b(x), body)",
    ],
    "v2_stage": [
        "return nn.Sequential(*(Vision(n if i else m, n, 1 if i else s, t) for i in range(repeats)))",
        "first = InvertedResidual(m, n, s, t)\nif repeats == 1:\n    return first\n"
        "return nn.Sequential(first, v2_stage(n, n, repeats - 1, 1, t))",
        "blocks = [InvertedResidual(n, n, 1, t) for _ in range(repeats - 1)]\n"
        "def forward(x, *parts):\n    x = parts[-1](x)\n    for part in parts[:-1]:\n        x = part(x)\n"
        "    return x\nreturn Own(forward, *blocks, InvertedResidual(m, n, s, t))",
    ],
    "mobilenet_v2": [
        "parts = nn.Sequential(stem, *blocks, last), nn.Linear(1280, num_classes)\n"
        "return Own(lambda x, body, scores: scores(body(x).mean(axis=[-1, -2])), *parts)",
        "last = ConvNormActivation(m, 1280, 1, activation_layer=nn.ReLU6)\n"
        "return nn.Sequential(stem, *(Vision(*row) for row in rows), last, nn.AdaptiveAvgPool2D((1, 1)), nn.Flatten(), "
        "nn.Dropout(0.2), nn.Linear(1280, num_classes))",
        "drop = lambda x, b, last: last(F.dropout(b(x).mean([2, 3]), 0.2, training=last.training))\n"
        "return Own(drop, nn.Sequential(stem, *blocks, last), nn.Linear(1280, num_classes))",
        "parts = nn.Linear(1280, num_classes), last, *blocks, stem\n"
        "def forward(x, scores, last, *others):\n    x = others[-1](x)\n"
        "    for one in others[:-1]:\n        x = one(x)\n    return scores(last(x).mean([2, 3]))\n"
        "return Own(forward, *parts)",
    ],
}
WRONG = {
    "depthwise_layer": [
        "return nn.Conv2D(m, 2 * m, k, s, k // 2, groups=m, bias_attr=False)",
        "return nn.Conv2D(m, m, k, s, k // 2, groups=m, bias_attr=False, padding_mode='reflect')",
        "return nn.Conv2D(m, m, k, s, k - 1, dilation=2, groups=m, bias_attr=False)",
        "conv = nn.Conv2D(m, m, k, 1, k // 2, groups=m, bias_attr=False)\n"
        "return Own(lambda x, conv: conv(x)[:, :, ::s, ::s], conv)",
        "return nn.AvgPool2D(k, s, k // 2)",
        "return nn.Conv2D",
        "return nn.Conv2D(m, m, k, s, k // 2, m, bias_attr=False)",  # the sixth argument is the dilation
        "return nn.Conv2D(m, m, 3 * k, s, (0, 0), groups=m, bias_attr=False)",
        "return paddle.ones([1, m, 9, 8])",
        "return Kernels([m, m, k, k], stride=s, padding=k // 2, dilation=m)",  # crashed Paddle
        "return Kernels([m, 1, 30, 30], stride=s, groups=m)",  # so did this
    ],
    "pointwise_layer": [
        "return nn.Conv2D(m, n, 1, stride=2, bias_attr=False)",
        "return nn.Sequential(nn.Conv2D(m, m, 1, bias_attr=False), nn.Conv2D(m, n, 1, bias_attr=False))",
        "return nn.Linear(m, n)",
        "conv = nn.Conv2D(m, n, 1, bias_attr=False)\nreturn lambda x: conv(x)",
        "conv = nn.Conv2D(m, n, 1, bias_attr=False)\nreturn Own(lambda x, conv: (conv(x), 1), conv)",
    ],
    "conv_bn_relu": [
        "return cbr(m, n, k, s, g, nn.LeakyReLU())",
        "conv = nn.Conv2D(m, n, k, s, k // 2, groups=g, bias_attr=False)\n"
        "return nn.Sequential(conv, nn.BatchNorm2D(n, momentum=0.1), nn.ReLU())",
        "conv = nn.Conv2D(m, n, k, s, k // 2, groups=g, bias_attr=False)\n"
        "return nn.Sequential(conv, nn.BatchNorm2D(n, use_global_stats=True), nn.ReLU())",
        "conv = nn.Conv2D(m, n, k, s, k // 2, groups=g, bias_attr=False)\n"
        "return nn.Sequential(conv, nn.BatchNorm2D(n, weight_attr=False, bias_attr=False), nn.ReLU())",
        "parts = [*cbr(m, n, k, s, g, nn.ReLU())]\nlayer = nn.Layer()\n"
        "layer.forward = lambda x: parts[2](parts[1](parts[0](x)))\nreturn layer",
        "return nn.Sequential(*list(cbr(m, n, k, s, g, nn.ReLU()))[::-1])",
        "conv = nn.Conv2D(m, n, k, s, k // 2, g, bias_attr=False)\n"
        "return nn.Sequential(conv, nn.BatchNorm2D(n), nn.ReLU())",
    ],
    "separable_block": [
        "return nn.Sequential(cbr(m, m, 5, s, m, nn.ReLU()), cbr(m, n, 1, 1, 1, nn.ReLU()))",
        "return nn.Sequential(cbr(m, n, 3, s, 1, nn.ReLU()))",
        "return nn.Sequential(cbr(m, n, 1, s, 1, nn.ReLU()), cbr(n, n, 3, 1, n, nn.ReLU()))",
        "return nn.Sequential(cbr(m, m, 3, s, m, nn.ReLU()), cbr(m, n, 1, 1, 1, nn.ReLU(), nn.Dropout2D(0.5)))",
        "joined = lambda x, b: x + b(x) if x.shape == b(x).shape else b(x)\n"
        "return Own(joined, DepthwiseSeparable(m, n, s))",
        "first = nn.Conv2D(m, m, 3, s, 1, m, bias_attr=False)\n"
        "return nn.Sequential(first, nn.BatchNorm2D(m), nn.ReLU(), cbr(m, n, 1, 1, 1, nn.ReLU()))",
        "first, second = cbr(m, m, 3, s, m, nn.ReLU()), cbr(m, n, 1, 1, 1, nn.ReLU())\n"
        "if m == n:\n    second[1] = first[1]\nreturn nn.Sequential(first, second)",
    ],
    "v1_features": [
        "return nn.Sequential(cbr(3, 32, 3, 2, 1, nn.ReLU()), *(DepthwiseSeparable(*row) for row in rows[::-1]))",
        "return nn.Sequential(cbr(3, 32, 3, 2), *(DepthwiseSeparable(*row) for row in rows))",
        "blocks = [DepthwiseSeparable(64 if i == 0 else m, n, s) for i, (m, n, s) in enumerate(rows)]\n"
        "return nn.Sequential(cbr(3, 64, 3, 2, 1, nn.ReLU()), *blocks)",
        "return [cbr(3, 32, 3, 2, 1, nn.ReLU()), *(DepthwiseSeparable(*row) for row in rows)]",
        "return nn.Sequential(cbr(3, 32, 3, 2, 1, nn.ReLU()), *(DepthwiseSeparable(*row) for row in rows[1:]))",
    ],
    "mobilenet_v1": [
        f"return nn.Sequential(*body, {POOL}, nn.Linear(m, num_classes + 1))",
        f"return nn.Sequential(*body, {POOL}, nn.BatchNorm1D(m), nn.Linear(m, num_classes))",
        f"return nn.Sequential(*body, {POOL}, nn.Linear(m, num_classes), nn.Sigmoid())",
        "return Own(lambda x, b, s: s(b(x).sum([2, 3])), nn.Sequential(*body), nn.Linear(m, num_classes))",
        "fixed = lambda x, b, s: s(b(x).mean([2, 3]).reshape([4, -1]))\n"
        "return Own(fixed, nn.Sequential(*body), nn.Linear(m, num_classes))",
        "drop = lambda x, b, last: last(F.dropout(b(x).mean([2, 3]), 0.2))\n"
        "return Own(drop, nn.Sequential(*body), nn.Linear(m, num_classes))",
    ],
    "linear_bottleneck": [
        "w = t + m\nreturn nn.Sequential(cbr(m, w, 1, 1, 1, nn.ReLU6()), cbr(w, w, 3, s, w, nn.ReLU6()), cbr(w, n))",
        "return nn.Sequential(cbr(m, w, 1, 1, 1, nn.ReLU6()), cbr(w, w, 5, s, w, nn.ReLU6()), cbr(w, n))",
        "return nn.Sequential(cbr(m, w, 3, 1, 1, nn.ReLU6()), cbr(w, w, 3, s, w, nn.ReLU6()), cbr(w, n))",
        "return nn.Sequential(cbr(m, w, 1, 1, 1, nn.ReLU6()), cbr(w, w, 3, s, m, nn.ReLU6()), cbr(w, n))",
        "return nn.Sequential(*InvertedResidual(m, n, s, t, shortcut='none').children(), nn.Hardswish())",
        "filter_ = nn.Conv2D(w, w, 3, s, 1, w, bias_attr=False), nn.BatchNorm2D(w), nn.ReLU6()\n"
        "return nn.Sequential(cbr(m, w, 1, 1, 1, nn.ReLU6()), *filter_, cbr(w, n))",
    ],
    "inverted_residual": [
        "same = s == 1 and m == n\nreturn Own(lambda x, b: x * b(x) if same else b(x), body)",
        "same = s == 1 and m == n\nreturn Own(lambda x, b: x + x if same else b(x), body)",
        "same = s == 1 and m == n\nreturn Own(lambda x, b: paddle.concat([x, b(x)], 1) if same else b(x), body)",
        "same = s == 1 and m == n\nreturn Own(lambda x, b: x + b(x) if same and x.shape[0] > 1 else b(x) + 1, body)",
        "same = s == 1 and m == n\nreturn Own(lambda x, b: F.relu6(x) + b(x) if same else b(x), body)",
    ],
    "v2_stage": [
        "before = [InvertedResidual(m, m, 1, t) for _ in range(repeats - 1)]\n"
        "return nn.Sequential(*before, InvertedResidual(m, n, s, t))",
        "return nn.Sequential(*(InvertedResidual(n if i else m, n, s if i == 1 else 1, t) for i in range(repeats)))",
        "more = [InvertedResidual(n, n, 1, 6) for _ in range(repeats - 1)]\n"
        "return nn.Sequential(InvertedResidual(m, n, s, t), *more)",
        "return InvertedResidual(m, n, s, t * repeats)",
        "return [InvertedResidual(n if i else m, n, 1 if i else s, t) for i in range(repeats)]",
        "return nn.LayerList([InvertedResidual(n if i else m, n, 1 if i else s, t) for i in range(repeats)])",
        "row = [InvertedResidual(n if i else m, n, 1 if i else s, t) for i in range(repeats)]\n"
        "return nn.Sequential(*row, nn.Dropout(0.2))",
    ],
    "mobilenet_v2": [
        f"return nn.Sequential(stem, *blocks, {POOL}, nn.Linear(m, num_classes))",
        f"return nn.Sequential(stem, *blocks[:-1], last, {POOL}, nn.Linear(1280, num_classes))",
        f"return nn.Sequential(stem, *blocks, last, {POOL}, nn.Linear(1280, num_classes), nn.ReLU6())",
        "pool = nn.AdaptiveMaxPool2D(1)\n"
        "return nn.Sequential(stem, *blocks, pool, last, nn.Flatten(), nn.Linear(1280, num_classes))",
        "blocks = [DepthwiseSeparable(m, n, s) for m, n, s, _ in rows]\n"
        f"return nn.Sequential(stem, *blocks, last, {POOL}, nn.Linear(1280, num_classes))",
    ],
}
SIXTH = "your sixth argument is the dilation"
SAID = {  # what some wrong layers are told
    ("depthwise_layer", 3): "its output is right, but it takes",
    ("depthwise_layer", 5): "Return one Paddle layer",
    ("depthwise_layer", 8): "returns a `Tensor`",
    ("depthwise_layer", 6): SIXTH,
    ("depthwise_layer", 7): "the feature map has shrunk to [9, 8], less than a kernel of [9, 9]",
    ("depthwise_layer", 9): SIXTH,
    ("depthwise_layer", 10): "the feature map has shrunk to [9, 8], less than a kernel of [30, 30]",
    ("conv_bn_relu", 6): SIXTH,
    ("separable_block", 5): SIXTH,
    ("separable_block", 6): "scale of a batch norm [6]",
    ("linear_bottleneck", 5): SIXTH,
    ("mobilenet_v1", 5): "`F.dropout` drops numbers in eval mode too",
    ("pointwise_layer", 4): "must return one tensor",
    ("conv_bn_relu", 1): "differs in eval mode: the first difference is at index [0, ",
    ("conv_bn_relu", 2): "differs in train mode",
    ("conv_bn_relu", 3): "shift of a batch norm or a bias [8] is missing",
    ("conv_bn_relu", 4): "not those in a plain list",
    ("separable_block", 0): "it holds weights [4, 1, 5, 5] too much; weights [4, 1, 3, 3] is missing",
    ("v1_features", 3): "Return one Paddle layer",
    ("v2_stage", 0): "right are",
    ("v2_stage", 5): "`nn.LayerList` has none",
    ("v2_stage", 6): "a dropout of yours works on a feature map",
}


def built(name: str, body: str):
    """The learner's function of that name with this body."""
    begin = BLOCKS.get(name, "") + body
    parameters = ", ".join(BUILT[name].parameters)
    return cell(f"{HEAD}\ndef {name}({parameters}):\n{textwrap.indent(begin, '    ')}", name)


def _each(answers: dict[str, list[str]]) -> list:
    return [pytest.param(name, body, place) for name, bodies in answers.items() for place, body in enumerate(bodies)]


@pytest.fixture(autouse=True)
def patient(monkeypatch, tmp_path):
    monkeypatch.setenv("MOBILENET_PROGRESS", str(tmp_path / "progress.sqlite"))
    monkeypatch.setattr(Exercise, "TIME_LIMIT", 600)


@pytest.mark.parametrize(("name", "body", "place"), _each(RIGHT))
def test_right_layers_in_odd_forms_are_right(name, body, place):
    report = examine(BUILT[name], built(name, body))
    assert report.outcome == "correct", report.message.text


@pytest.mark.parametrize(("name", "body", "place"), _each(WRONG))
def test_layers_that_come_close_are_wrong(name, body, place):
    report = examine(BUILT[name], built(name, body))
    assert report.outcome in {"wrong", "misconception", "raised", "type"}, report.message.text
    assert SAID.get((name, place), "") in report.message.text


JOINED = "return Own(lambda x, b: x + b(x) if s == 1 and m == n else b(x), body)"
ROW = "row = [Vision(n if i else m, n, 1 if i else s, t) for i in range(repeats)]\nbody = nn.Sequential(*row)\n"
NAMED = [  # layers that are written otherwise than the known mistakes which they make
    ("depthwise_layer", "return nn.Conv2D(m, m, k, s, 'same', groups=m, bias_attr=False)", "padding_same"),
    ("conv_bn_relu", "return cbr(m, n, 3, s, 1, nn.ReLU())", "standard_block"),
    ("separable_block", f"body = DepthwiseSeparable(m, n, s)\n{JOINED}", "shortcut_added"),
    (
        "mobilenet_v1",
        "stem = nn.Sequential(nn.Conv2D(3, 32, 3, 2, bias_attr=False), nn.BatchNorm2D(32), nn.ReLU())\n"
        f"return nn.Sequential(stem, *body[1:], {POOL}, nn.Linear(m, num_classes))",
        "padding_forgotten_in_the_stem",
    ),
    (
        "v1_features",
        "pair = lambda m, n, s: nn.Sequential(nn.Conv2D(m, m, 3, s, groups=m, bias_attr=False), nn.BatchNorm2D(m), "
        "nn.ReLU(), cbr(m, n, 1, 1, 1, nn.ReLU()))\n"
        "return nn.Sequential(cbr(3, 32, 3, 2, 1, nn.ReLU()), *(pair(*row) for row in rows))",
        "padding_forgotten_in_the_blocks",
    ),
    (
        "linear_bottleneck",
        "parts = cbr(m, w, 1, 1, 1, nn.ReLU6()), cbr(w, w, 3, s, w, nn.ReLU6()), ConvBNReLU(w, n, 1)\n"
        "return nn.Sequential(*parts)",
        "relu_on_the_projection",
    ),
    (
        "linear_bottleneck",
        "return nn.Sequential(ConvBNReLU(m, w, 1), ConvBNReLU(w, w, 3, s, w), ConvBNReLU(w, n, 1))",
        "relu_everywhere",
    ),
    ("inverted_residual", f"body = nn.Sequential(*steps[:2], ConvBNReLU(w, n, 1))\n{JOINED}", "relu_on_the_projection"),
    ("inverted_residual", JOINED.replace("x + b(x)", "F.relu(x + b(x))"), "relu_behind_the_sum"),
    ("v2_stage", ROW + JOINED, "shortcut_around_the_row"),
    ("v2_stage", ROW + "return nn.Sequential(row[0].conv, *row[1:])", "shortcut_forgotten_in_the_first"),
    (
        "mobilenet_v2",
        "stem, last = ConvBNReLU(3, 32, stride=2), ConvBNReLU(m, 1280, 1)\n"
        f"return nn.Sequential(stem, *blocks, last, {POOL}, nn.Linear(1280, num_classes))",
        "stem_and_last_relu",
    ),
]


@pytest.mark.parametrize(("name", "body", "mistake"), NAMED)
def test_likely_slips_are_named(name, body, mistake):
    assert examine(BUILT[name], built(name, body)).misconception == mistake


def test_enough_answers_were_tried():
    assert all(len(RIGHT[name]) >= 3 and len(WRONG[name]) >= 4 for name in BUILT)
    assert len(BUILT) >= 10


@pytest.mark.parametrize("name", BUILT)
def test_the_solution_costs_what_paddles_own_layer_costs(name):
    task = BUILT[name]
    for right, case in zip(task.right, task.all_cases, strict=True):
        ours = see(task.reference(*case), task.image(*case))
        assert not unlike(ours, right)
        assert right.params == count(right.layer, right.image).params


def test_known_weights_reach_every_part():
    """Outputs that are zero, or all below 6, would let wrong layers pass."""
    for task in BUILT.values():
        for right in task.right:
            for output in (right.train, right.eval):
                assert np.isfinite(output).all()
                assert (output != 0).mean() > 0.2
    brick = BUILT["conv_bn_relu"].right[0]
    assert 0.01 < (brick.train > 6).mean() < 0.3


# What a check leaves behind
def test_a_check_leaves_paddle_as_it_was():
    body = (
        "paddle.seed(7)\npaddle.set_default_dtype('float32')\npaddle.set_grad_enabled(False)\nrandom.seed(3)\n"
        "return nn.Conv2D(m, m, k, s, k // 2, groups=m, bias_attr=False)"
    )
    paddle.seed(1)
    first, name = paddle.rand([3]).numpy(), paddle.nn.Linear(1, 1).full_name()
    number = int(name.rpartition("_")[2])
    paddle.seed(1)
    examine(BUILT["depthwise_layer"], built("depthwise_layer", "import random\n" + body))
    np.testing.assert_array_equal(paddle.rand([3]).numpy(), first)
    assert paddle.nn.Linear(1, 1).full_name() == f"linear_{number + 1}"
    assert paddle.is_grad_enabled()


def test_a_function_that_goes_static_does_not_take_the_kernel_along():
    report = examine(BUILT["depthwise_layer"], built("depthwise_layer", "paddle.enable_static()\nreturn nn.ReLU()"))
    assert report.outcome != "correct"
    assert paddle.in_dynamic_mode()
    assert paddle.ones([1]).item() == 1


def test_the_mode_is_part_of_what_is_compared():
    """A layer that is right in one mode only: its batch norm always normalises by the batch."""
    body = (
        "conv = nn.Conv2D(m, n, k, s, k // 2, groups=g, bias_attr=False)\n"
        "always = lambda x, n: F.batch_norm(x, n._mean, n._variance, n.weight, n.bias, training=True)\n"
        "return nn.Sequential(conv, Own(always, nn.BatchNorm2D(n)), nn.ReLU())"
    )
    assert "differs in eval mode" in examine(BUILT["conv_bn_relu"], built("conv_bn_relu", body)).message.text


def test_the_lesson_goes_on_with_what_has_passed(monkeypatch, capsys):
    monkeypatch.setattr(exercises, "_passed", {})
    known = BUILT["depthwise_layer"].reference
    right, wrong = (built("depthwise_layer", answers["depthwise_layer"][0]) for answers in (RIGHT, WRONG))
    assert yours(right) is known
    for function, wanted in ((right, right), (wrong, known)):
        check(function)
        assert yours(function) is wanted
    assert yours(right) is known, "the newest check has failed"
    assert "2 of 3" not in capsys.readouterr().out


def test_an_error_in_forward_names_the_line_and_the_image():
    body = "conv = nn.Conv2D(m + 1, m + 1, k)\nreturn Own(lambda x, conv: conv(x), conv)"
    text = examine(BUILT["depthwise_layer"], built("depthwise_layer", body)).message.text
    for part in ("images of [3, 9, 8]", "The number of input's channels", "`hint(depthwise_layer)`"):
        assert part in text
    assert "Hint:" not in text


def test_a_class_will_do_as_well():
    source = """
        class depthwise_layer(nn.Layer):
            def __init__(self, channels, kernel_size, stride):
                super().__init__()
                how = {"padding": kernel_size // 2, "groups": channels, "bias_attr": False}
                self.one = nn.Conv2D(channels, channels, kernel_size, stride, **how)
            def forward(self, x):
                return self.one(x)
        """
    function = cell(HEAD + textwrap.dedent(source), "depthwise_layer")
    assert examine(BUILT["depthwise_layer"], function).outcome == "correct"
