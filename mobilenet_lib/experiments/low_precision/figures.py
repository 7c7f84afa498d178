"""The figures of lessons 03 and 10, each with its words: every function returns what `plots.show` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib import plots
from mobilenet_lib.experiments.low_precision import quantization, rounding_sweep

if TYPE_CHECKING:
    import paddle
    import pandas as pd
    from matplotlib.figure import Figure

_RANGES = ("largest measured", "99.9 % measured", "0 to 24", "0 to 6")  # each has one look in both halves of a figure


def _look(index: int) -> dict[str, Any]:
    """Colour, line style and marker of a series, so that none is told apart by its colour alone."""
    styles = plots.LINE_STYLES[index % len(plots.LINE_STYLES)]
    return {"color": plots.PALETTE[index], "linestyle": styles, "marker": plots.MARKERS[index]}


def images(
    given: Mapping[str, np.ndarray], what: str, *, columns: int = 6, white: float | None = None
) -> tuple[Figure, str]:
    """Grey images [h, w] in rows, each under its title. what: begins the alternative text.

    white: the number that is shown as white, 0 being black; None takes each image from its lowest to its highest.
    """
    columns = min(columns, len(given))
    rows = -(-len(given) // columns)
    fig, axes = plots.figure(rows, columns, width=1.5 * columns, height=1.95 * rows, squeeze=False)
    for one in axes.flat:
        one.axis("off")
    limits = {} if white is None else {"vmin": 0, "vmax": white}
    for one, (title, image) in zip(axes.flat, given.items(), strict=False):
        one.imshow(image, cmap="gray", interpolation="nearest", **limits)
        one.set_title(title, fontsize=11, weight="normal")
    return fig, f"{what} {len(given)} images: {', '.join(' '.join(title.split()) for title in given)}."


def through(layers: Sequence[paddle.nn.Layer], maps: paddle.Tensor) -> dict[str, np.ndarray]:
    """What each layer makes of `maps` [1, channels, h, w], one after the other: one feature map [h, w] by its title.

    Shown is the channel that varies most behind the convolution before. The title has the layer's kind, and between
    which numbers the feature map lies.
    """
    shown, channel = {}, 0
    for number, layer in enumerate(layers, 1):
        maps = layer(maps)
        found = maps.numpy()[0]
        if hasattr(layer, "weight") and layer.weight.ndim == 4:
            channel = int(found.std(axis=(1, 2)).argmax())
        one = found[channel]
        title = f"{number} {type(layer).__name__}\n{one.min():.1f} to {one.max():.1f}"
        shown[title.replace("-", "−")] = one
    return shown


def rounded(values: np.ndarray, bits: Sequence[int], largest: float, what: str) -> tuple[Figure, str]:
    """Numbers [h, w] from 0 to `largest` as an image, then rounded to each number of bits. what: of the alt."""
    versions = {few: quantization.quantise(values, few, largest) for few in bits}
    told = {few: "1 bit" if few == 1 else f"{few} bits" for few in bits}
    titled = {f"{told[few]}\n{len(np.unique(one))} levels used": one for few, one in versions.items()}
    fig, alt = images({"as it is\n": values, **titled}, what, white=largest)
    errors = (f"{told[few]} {_error(version, values) / largest:.1%}" for few, version in versions.items())
    return fig, f"{alt} Root mean square error in parts of the range: {', '.join(errors)}."


def _error(rounded_values: np.ndarray, values: np.ndarray) -> float:
    return float(np.sqrt(np.mean((rounded_values - values) ** 2)))


def sweep() -> tuple[Figure, str]:
    """The recorded accuracy over the bits of the activations: a line per range with the spread of the seeds."""
    fig, both = plots.figure(1, 2, width=9.5, height=3.4, sharey=True)
    words = []
    for axes, (activation, names) in zip(both, rounding_sweep.RANGES.items(), strict=True):
        trained = rounding_sweep.TITLES[activation]
        for name in names:
            seeds = np.array([rounding_sweep.percent(activation, name, few) for few in rounding_sweep.BITS])
            _spread(axes, name, seeds)
            at = {few: row.mean() for few, row in zip(rounding_sweep.BITS, seeds, strict=True)}
            words.append(f"{trained}, {name}: {at[8]:.0f} % at 8 bits, {at[4]:.0f} % at 4, {at[2]:.0f} % at 2")
        axes.set(title=f"trained with {trained}", xlabel="bits of the activations", xticks=rounding_sweep.BITS)
        axes.invert_xaxis()
        axes.legend(fontsize=10, loc="lower left")
    both[0].set_ylabel("accuracy (%)")
    what = "Two plots of accuracy against the bits of the activations, a line per range with the spread of three seeds."
    total = rounding_sweep.record()["rows"][0]["total"]
    return fig, f"{what} Means: {'; '.join(words)}. Mode: recorded; {total:,} test images."


def _spread(axes: Any, name: str, seeds: np.ndarray) -> None:
    """A line through the means of seeds [bits, seeds], with bars from the lowest to the highest."""
    mean = seeds.mean(axis=1)
    ends = [mean - seeds.min(axis=1), seeds.max(axis=1) - mean]
    axes.errorbar(rounding_sweep.BITS, mean, ends, label=name, capsize=4, **_look(_RANGES.index(name)))


def differences(frames: Mapping[str, pd.DataFrame], what: str) -> tuple[Figure, str]:
    """Points of accuracy by bits, a point per seed; frames: of `rounding_sweep.differences`, by the range of both."""
    fig, axes = plots.figure(width=8.5, height=3)
    told = []
    for kind, (name, frame) in enumerate(frames.items()):
        seeds = np.array(frame["by seed"].tolist())  # [bits, seeds]
        places = np.repeat(np.arange(len(seeds)) + 0.24 * kind, seeds.shape[1])
        axes.plot(places, seeds.ravel(), plots.MARKERS[kind], color=plots.PALETTE[kind], linestyle="none", label=name)
        ends = zip(frame.index, seeds.min(axis=1), seeds.max(axis=1), strict=True)
        told += [f"{bits} bits, {name}: from {low:.1f} to {high:.1f}" for bits, low, high in ends]
    axes.axhline(0, color="black", linewidth=1)
    axes.set_xticks(np.arange(len(frame)) + 0.12, frame.index)
    axes.set(xlabel="bits of the activations", ylabel=f"{what} (points)")
    axes.legend()
    what = f"Columns of three points, {what} in points of accuracy, by bits and range."
    return fig, f"{what} {'; '.join(told)}. Mode: recorded."


def kernel_sizes(forms: Mapping[str, np.ndarray], dead: Sequence[int]) -> tuple[Figure, str]:
    """Bars of the largest weight in each depthwise kernel, on a logarithmic axis; those of `dead` channels hatched.

    forms: kernels [channels, 1, k, k] by their title, such as "as trained" and "folded".
    """
    fig, axes = plots.figure(1, len(forms), width=9, height=2.8, sharey=True, squeeze=False)
    words = []
    for one, (title, kernels) in zip(axes[0], forms.items(), strict=True):
        sizes = np.abs(kernels).max(axis=(1, 2, 3))
        living = np.setdiff1d(np.arange(len(sizes)), dead)
        for kind, group in enumerate((living, np.asarray(dead, int))):
            look = {"color": plots.PALETTE[kind], "hatch": plots.HATCHES[kind], "edgecolor": "black"}
            one.bar(group, sizes[group], **look)
        one.set(yscale="log", title=title, xlabel="channel (hatched: dead)", xticks=range(len(sizes)))
        words.append(f"{title}: living {_list(sizes[living])}; dead {_list(sizes[dead]) if len(dead) else 'none'}")
    axes[0, 0].set_ylabel("largest weight")
    return fig, f"Bar charts of the largest weight in each depthwise kernel, logarithmic. {'. '.join(words)}."


def _list(numbers: np.ndarray) -> str:
    return ", ".join(f"{number:.3g}" for number in numbers)


def levels(forms: Mapping[str, np.ndarray], bits: int, living: np.ndarray) -> tuple[Figure, str]:
    """How many levels the weights of the living channels fall on, when all channels share one range.

    forms: kernels [channels, 1, k, k] by their title. living: bool [channels]. A histogram of the integers that are
    stored, for each form.
    """
    top = 2 ** (bits - 1) - 1
    fig, axes = plots.figure(1, len(forms), width=9, height=2.6, sharey=True, squeeze=False)
    words = []
    for one, (title, kernels) in zip(axes[0], forms.items(), strict=True):
        stored = np.rint(kernels[living] / np.abs(kernels).max() * top).astype(int).ravel()
        one.hist(stored, bins=np.arange(-16.5, 17) * (top + 1) / 16, color=plots.PALETTE[0], edgecolor="black")
        one.set(title=title, xlabel=f"stored integer, −{top} to {top}", xlim=(-top - 5, top + 5))
        words.append(
            f"{title}: {stored.size} weights on {len(np.unique(stored))} levels, {np.mean(stored == 0):.0%} on 0"
        )
    axes[0, 0].set_ylabel("weights")
    return fig, f"Histograms of the integers that stand for the living channels' weights. {'; '.join(words)}."
