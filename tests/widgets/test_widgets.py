"""The explorers without a browser: settings, numbers against plain loops, and the static twins.

What the live views show is tested in browser/test_widgets.py.
"""

from __future__ import annotations

import html
import json
import re
from functools import partial

import numpy as np
import pytest
import traitlets
from explorers import asked_for, assert_immediate, displayed, made_up
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mobilenet_lib import cost, widgets
from mobilenet_lib.experiments.design import Budget
from mobilenet_lib.widgets._explorer import module
from mobilenet_lib.widgets._passes import KINDS, passes

EXPLORERS = {
    "stepper": widgets.convolution_stepper,
    "costs": widgets.cost_explorer,
    "groups": widgets.groups_explorer,
    "V1": widgets.architecture_explorer,
    "V2": partial(widgets.architecture_explorer, "v2"),
    "manifold": partial(widgets.manifold_explorer, 5, 3),
    "design": partial(widgets.design_explorer, budget=Budget(macs=10**6), trained=made_up()),
}
of_every_kind = pytest.mark.parametrize("make", EXPLORERS.values(), ids=list(EXPLORERS))


@st.composite
def stepper_sizes(draw):
    """Settings of the stepper in which the kernel fits."""
    sizes = {name: draw(st.integers(least, most)) for name, (least, most) in widgets.ConvolutionStepper.limits.items()}
    assume(sizes["kernel_size"] <= sizes["input_size"] + 2 * sizes["padding"])
    return sizes


def made(**sizes) -> dict:
    """All settings of a stepper of these sizes."""
    return widgets.convolution_stepper(**sizes).settings


def convolved(layer, inputs, weights):
    """A standard convolution by plain loops. inputs [in, h, w], weights [out, in, k, k]."""
    padding, stride = layer["padding"], layer["stride"]
    padded = np.pad(inputs, ((0, 0), (padding, padding), (padding, padding)))
    height, width = ((side - weights.shape[2]) // stride + 1 for side in padded.shape[1:])
    output = np.zeros((len(weights), height, width), dtype=int)
    for out, row, column in np.ndindex(output.shape):
        window = padded[:, row * stride :, column * stride :][:, : weights.shape[2], : weights.shape[3]]
        output[out, row, column] = (window * weights[out]).sum()
    return output


# --- Numbers ---
@settings(max_examples=60)
@given(stepper_sizes())
def test_stepper_standard_is_the_convolution_of_plain_loops(sizes):
    (layer,) = passes("standard", made(**sizes))
    assert np.array_equal(layer.outputs, convolved(sizes, layer.inputs, layer.weights))


@settings(max_examples=60)
@given(stepper_sizes())
def test_stepper_two_passes_amount_to_one_convolution_with_the_product_of_their_kernels(sizes):
    depthwise, pointwise = passes("depthwise separable", made(**sizes))
    kernels = pointwise.weights * depthwise.weights.swapaxes(0, 1)  # [out, in, k, k]
    assert np.array_equal(pointwise.outputs, convolved(sizes, depthwise.inputs, kernels))

    column, row = passes("spatially separable", made(**sizes))
    shape = (sizes["out_channels"], sizes["in_channels"], sizes["kernel_size"], 1)
    kernels = column.weights.reshape(shape) * row.weights
    assert np.array_equal(row.outputs, convolved(sizes, column.inputs, kernels))


@settings(max_examples=40)
@given(stepper_sizes(), st.sampled_from(KINDS))
def test_stepper_frame_counts_what_the_loops_count(sizes, kind):
    layers = passes(kind, made(**sizes))
    row = widgets.convolution_stepper(kind, **sizes).frame().loc[kind]
    counted = []
    for layer in layers:
        channels, sizes = (len(layer.inputs), len(layer.weights)), (layer.weights.shape[2:], layer.inputs.shape[1:])
        groups = len(layer.inputs) // layer.weights.shape[1]
        counted.append(cost.brute_force(*channels, *sizes, layer.stride, layer.padding, groups=groups))
    assert row["MACs"] == sum(one.macs for one in counted)
    assert row["parameters"] == sum(one.params for one in counted) == sum(one.weights.size for one in layers)
    assert row["numbers computed"] == sum(one.outputs.size for one in layers)
    assert row["output"] == layers[-1].outputs.shape


def test_stepper_of_the_articles_sizes_in_miniature():
    macs = widgets.convolution_stepper().frame()["MACs"]
    one_pass = {"standard": 9 * 4 * 27, "depthwise": 9 * 3 * 9, "pointwise": 25 * 4 * 3}
    two_passes = {"depthwise separable": 243 + 9 * 4 * 3, "spatially separable": 15 * 12 * 3 + 9 * 4 * 9}
    assert dict(macs) == one_pass | two_passes


def test_stepper_shows_an_image_and_a_kernel_of_ones_own_while_the_sizes_are_theirs():
    image = np.array([[1, 2, 0, 1], [3, 1, 1, 0], [0, 2, 4, 1], [1, 0, 2, 3]])
    kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    stepper = widgets.convolution_stepper(input_size=4, in_channels=1, out_channels=1, image=image, kernel=kernel)
    (layer,) = stepper.passes
    assert np.array_equal(layer.inputs, image[None])
    assert np.array_equal(layer.weights, kernel[None, None])
    assert layer.outputs[0, 0, 0] == (image[:3, :3] * kernel).sum()
    stepper.input_size = 5
    assert stepper.passes[0].inputs.shape == (1, 5, 5)
    stepper.in_channels = 2
    assert stepper.passes[0].weights.shape == (1, 2, 3, 3)


def test_cost_explorer_follows_its_sliders():
    explorer = widgets.cost_explorer()
    assert explorer.cost == cost.conv2d(64, 128, 3, 112)
    # What the browser sends when several sliders moved: all at once.
    channels = {"in_channels": 12, "out_channels": 18, "groups": 6}
    explorer.set_state({**channels, "kernel_size": 5, "input_size": 9, "stride": 2})
    assert explorer.cost == cost.brute_force(12, 18, 5, 9, 2, groups=6)
    frame = explorer.frame()
    standard, separable = cost.brute_force(12, 18, 5, 9, 2), cost.depthwise_separable(12, 18, 5, 9, 2)
    parts = {"· depthwise part": separable.depthwise, "· pointwise part": separable.pointwise}
    layers = {"standard": standard, "grouped, groups=6": explorer.cost, "depthwise separable": separable, **parts}
    for name, one in layers.items():
        kilobytes = round(one.activations * 4 / 1000, 1)
        costs = [one.output_shape, one.macs, one.flops, one.params, one.activations, kilobytes]
        assert list(frame.loc[name]) == costs
    assert list(frame.index) == list(layers)
    explorer.groups = 1
    assert [name for name in explorer.frame().index if "grouped" in name] == []  # it is the standard layer


@given(st.integers(1, 12), st.integers(1, 12))
def test_groups_explorer_knows_every_possible_number_of_groups(in_channels, out_channels):
    frame = widgets.groups_explorer(in_channels, out_channels).frame()
    assert list(frame.index) == list(range(1, max(in_channels, out_channels) + 1))
    for groups, row in frame.iterrows():
        try:
            layer = cost.conv2d(in_channels, out_channels, 3, 8, groups=groups)
        except ValueError:
            assert f"÷ {groups} = " in row["impossible because"]
            assert row["MACs"] == ""
        else:
            assert row["impossible because"] == ""
            assert (row["MACs"], row["parameters"]) == (layer.macs, layer.params)
            assert np.prod(row["weight shape"]) == layer.params


# --- Settings ---
one_channel = partial(widgets.convolution_stepper, in_channels=1, out_channels=1)


@pytest.mark.parametrize(
    ("make", "wrong", "said"),
    [
        (widgets.cost_explorer, {"in_channels": 0}, "in_channels must be a whole number of at least 1"),
        (widgets.cost_explorer, {"kernel_size": -3}, "kernel_size"),
        (widgets.cost_explorer, {"stride": 1.5}, "stride"),
        (widgets.cost_explorer, {"out_channels": "many"}, "out_channels"),
        (widgets.cost_explorer, {"groups": 48}, "groups=48 must divide both"),
        (widgets.cost_explorer, {"in_channels": 10**12}, "at most 4096"),
        (widgets.groups_explorer, {"groups": 4}, "groups=4 must divide both"),
        (widgets.groups_explorer, {"in_channels": 13}, "at most 12"),
        (widgets.convolution_stepper, {"kernel_size": 5, "input_size": 4}, "must fit into the padded input"),
        (widgets.convolution_stepper, {"in_channels": 0}, "in_channels"),
        (widgets.convolution_stepper, {"input_size": 224}, "at most 8"),
        (widgets.convolution_stepper, {"padding": -1}, "padding"),
        (widgets.convolution_stepper, {"position": 0}, "position"),
        (widgets.convolution_stepper, {"kind": "deep"}, "kind must be one of standard, depthwise"),
        (widgets.convolution_stepper, {"beside": "deep"}, "beside must be one of"),
        (widgets.convolution_stepper, {"image": [[1] * 5] * 5}, "needs in_channels=1"),
        (one_channel, {"image": [[1, 2]]}, "image must be 5 rows of 5"),
        (one_channel, {"kernel": [[0.5] * 3] * 3}, "kernel must hold whole numbers"),
        (one_channel, {"kernel": [[100] * 3] * 3}, "kernel must hold whole numbers"),
    ],
)
def test_impossible_settings_are_refused_with_a_reason(make, wrong, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make(**wrong)


def test_numpy_numbers_are_taken():
    assert widgets.cost_explorer(in_channels=np.int64(32)).in_channels == 32


@pytest.mark.parametrize(
    ("make", "change", "said"),
    [
        (partial(widgets.groups_explorer, groups=2), {"groups": 4}, "groups=4 must divide both"),
        (
            partial(widgets.groups_explorer, groups=2),
            {"in_channels": 5, "out_channels": 10},
            "groups=2 must divide both",
        ),
        (partial(widgets.architecture_explorer, strides=[1] * 13), {"family": "v2"}, "7 numbers for v2"),
        (widgets.architecture_explorer, {"resolution": 10_000}, "at most 512"),
        (widgets.manifold_explorer, {"channels": 99}, "at most 30"),
        (widgets.manifold_explorer, {"scaled": "yes"}, "scaled"),
    ],
)
def test_an_impossible_change_is_refused_and_leaves_the_explorer_as_it_was(make, change, said):
    explorer = make()
    with pytest.raises(traitlets.TraitError, match=said):
        explorer.set_state(change)  # what the browser sends
    if len(change) == 1:
        with pytest.raises(traitlets.TraitError, match=said):
            setattr(explorer, *change.popitem())
    assert explorer.settings == make().settings


# --- What is displayed ---
@of_every_kind
def test_without_a_learner_a_figure_and_a_table_are_shown(make, monkeypatch):
    (figure, about_figure), (table, _) = displayed(make(), monkeypatch, interactive=False)
    assert about_figure["image/png"]["alt"] == figure["text/plain"]
    assert "alt=" in figure["text/html"]
    assert "<table" in table["text/html"]
    settings = html.unescape(re.search('data-settings="([^"]*)"', table["text/html"])[1])
    assert json.loads(settings) == make().settings
    frame = make().frame()
    for value in frame.to_numpy().ravel():
        if isinstance(value, int):
            assert f"{value:,}" in table["text/plain"]
            assert f"<td>{value:,}</td>" in table["text/html"]
    assert all(str(name) in table["text/plain"] for name in frame.index)


@of_every_kind
def test_two_runs_show_the_same(make, monkeypatch):
    first, second = (displayed(make(), monkeypatch, interactive=False) for _ in range(2))
    assert first == second
    assert not any("widget-view" in kind or "model_id" in str(data) for data, _ in first for kind in data)


@of_every_kind
def test_a_learner_gets_the_live_view_alone(make, monkeypatch):
    explorer = make()
    ((data, _),) = displayed(explorer, monkeypatch, interactive=True)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    assert "Run this cell" in data["text/plain"]
    assert f"{explorer.name}(" in data["text/plain"]
    assert explorer.model_id not in data["text/plain"]
    assert "image/png" not in data


@pytest.mark.parametrize("kind", KINDS)
def test_the_figure_follows_the_position(kind):
    stepper = widgets.convolution_stepper(kind, padding=1, stride=2)
    alts = []
    behind_the_end = 10_000  # as after a change to smaller sizes
    for position in (1, 10, behind_the_end):
        stepper.position = position
        figure, alt = stepper.figure()
        assert len(figure.axes) == 2
        alts.append(alt)
    assert len(set(alts)) == 3
    last = stepper.passes[-1].outputs
    assert f"their sum {last[-1, -1, -1]} is the number in output feature map {len(last) - 1}" in alts[-1]


def test_groups_figure_says_who_feeds_whom():
    _, alt = widgets.groups_explorer(4, 12, groups=4).figure()
    assert "fed by 1 of 4 input channels" in alt
    assert "[12, 1, 3, 3]" in alt


# --- The browser's side ---
@of_every_kind
def test_the_module_is_one_file_that_asks_no_host_for_anything(make):
    script, style = make()._esm, make()._css
    assert script == module(make().name)
    assert asked_for(f"{script}\n{style}") == []
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("costs", [{"in_channels": 32, "kernel_size": 3}, {"in_channels": 64, "kernel_size": 5}]),
        ("groups", [{"groups": groups} for groups in (1, 2)]),
        ("stepper", [{"position": position} for position in range(1, 10)]),
        ("V1", [{"resolution": 192}, {"resolution": 224}]),
        ("V2", [{"width_multiplier": 0.5, "resolution": 160}, {"width_multiplier": 1.0, "resolution": 192}]),
        ("manifold", [{"channels": 2 + step, "seed": 1 + step} for step in range(29)]),
    ],
)
def test_python_answers_a_slider_within_50_ms(name, settings):
    explorer = EXPLORERS[name]()

    def update(step: int) -> None:
        explorer.set_state(settings[step % len(settings)])
        explorer.frame()

    assert_immediate(update)
