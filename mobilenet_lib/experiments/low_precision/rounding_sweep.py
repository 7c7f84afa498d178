"""What rounding does to the recorded networks of lesson 10: measured once, kept with the course, made again by

    uv run python -m mobilenet_lib.experiments.low_precision.rounding_sweep

in about ten minutes on two cores. Six networks (V1 at width 0.25 with ReLU or ReLU6, three seeds each) classify all
2,000 test images, with their activations rounded to 8 … 2 bits in several ranges, and with their depthwise weights
rounded to 8 bits. Introduced in lesson 10.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from statistics import fmean
from typing import TYPE_CHECKING, Any

from mobilenet_lib._support import environment, files
from mobilenet_lib.experiments import recorded
from mobilenet_lib.experiments.low_precision import folding, quantization
from mobilenet_lib.statistics import student_interval

if TYPE_CHECKING:
    import paddle
    import pandas as pd

# Not beside the runs, which have another form.
PATH = files.RECORDED / "rounding" / "fashion_v1.json"
SEEDS = (0, 1, 2)
BITS = (8, 7, 6, 5, 4, 3, 2)
CALIBRATION = 256  # training images, on which the ranges are measured

# Which range is laid over the outputs of every activation layer: a percentile measured in each layer, or one number.
_MEASURED = {"largest measured": {"percentile": 100}, "99.9 % measured": {"percentile": 99.9}}
TITLES = {"relu": "ReLU", "relu6": "ReLU6"}
RANGES = {"relu": {**_MEASURED, "0 to 24": {"largest": 24.0}}, "relu6": {"0 to 6": {"largest": 6.0}, **_MEASURED}}

# How the depthwise weights were rounded: the form of the network, and whether kernels have a range each.
FORMS = ("as trained, per tensor", "as trained, per channel", "folded, per tensor", "folded, per channel")
FORMS += ("repaired and folded, per tensor",)


def record() -> dict[str, Any]:
    """The recorded sweep, and how it was made ("data", "versions", "machine", …); "rows": one per network and rounding.

    Of a row: activation ("relu", "relu6"), seed, rounded ("nothing", "activations", "depthwise weights"), range (a name
    of `RANGES`, or how the weights were rounded; "" for nothing), bits (32 for nothing), correct and total (images).
    """
    return recorded.load(PATH, "python -m mobilenet_lib.experiments.low_precision.rounding_sweep")


def correct(activation: str, range_name: str, bits: int) -> list[int]:
    """How many of the test images each seed, in order, classifies correctly with rounded activations."""
    return _correct(activation=activation, rounded="activations", range=range_name, bits=bits)


def correct_in_float(activation: str) -> list[int]:
    """The same with nothing rounded."""
    return _correct(activation=activation, rounded="nothing")


def correct_with_rounded_weights(activation: str, form: str) -> list[int]:
    """The same with depthwise weights rounded to 8 bits. form: one of `FORMS`."""
    return _correct(activation=activation, rounded="depthwise weights", range=form)


def percent(activation: str, range_name: str, bits: int) -> list[float]:
    """`correct` in per cent of the test images."""
    return [100 * count / record()["rows"][0]["total"] for count in correct(activation, range_name, bits)]


def accuracy_table() -> pd.DataFrame:
    """Accuracy in per cent, "mean (lowest to highest)" of the seeds: a row per activation and range, by bits."""
    import pandas as pd

    settings = [(activation, name) for activation, names in RANGES.items() for name in names]
    columns = {f"{bits} bits": [_spread(percent(*each, bits)) for each in settings] for bits in BITS}
    return pd.DataFrame(columns, index=[f"{TITLES[activation]}, {name}" for activation, name in settings])


def _spread(values: list[float]) -> str:
    return f"{fmean(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def differences(first: tuple[str, str], second: tuple[str, str]) -> pd.DataFrame:
    """First minus second in points of accuracy, a row for each of `BITS`; both: an activation and its range's name.

    Columns: by seed (a list), low and high: Student's 95 % confidence interval of the mean.
    """
    import pandas as pd

    rows = []
    for bits in BITS:
        pairs = zip(percent(*first, bits), percent(*second, bits), strict=True)
        gains = [round(one - other, 2) for one, other in pairs]
        rows.append((gains, *student_interval(gains)))
    return pd.DataFrame(rows, pd.Index(BITS, name="bits"), ["by seed", "low", "high"])


def weights_table() -> pd.DataFrame:
    """Accuracy in per cent with depthwise weights of 8 bits: a row per network, a column per form of `FORMS`."""
    import pandas as pd

    total = record()["rows"][0]["total"]
    networks = [(TITLES[activation], f"seed {seed}") for activation in RANGES for seed in SEEDS]
    columns = {
        form: [100 * found / total for activation in RANGES for found in correct_with_rounded_weights(activation, form)]
        for form in FORMS
    }
    return pd.DataFrame(columns, index=pd.MultiIndex.from_tuples(networks))


def _correct(**wanted: Any) -> list[int]:
    found = [row for row in record()["rows"] if wanted.items() <= row.items()]
    if not found:
        raise ValueError(f"the sweep has no row with {wanted}: RANGES and BITS say which there are")
    return [row["correct"] for row in sorted(found, key=lambda row: row["seed"])]


def main() -> None:
    """Measure all networks and write the record."""
    from mobilenet_lib import data

    made = {
        "networks": "fashion_v1_{activation}_seed{seed}: see runs.recorded",
        "data": data.load("fashion_mnist", "test").source,
        "calibration": f"{CALIBRATION} training images, taken with seed 0",
        "versions": environment.versions(),
        "machine": environment.machine(),
        "rows": [],
    }
    for activation, seed in itertools.product(RANGES, SEEDS):
        for row in _measure(activation, seed):
            made["rows"].append(row)
            print(row, flush=True)
    files.write_json(PATH, made)


def _measure(activation: str, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of one network."""
    from mobilenet_lib import data, training, weights

    model = weights.recorded(f"fashion_v1_{activation}_seed{seed}")
    test = data.load("fashion_mnist", "test")
    calibration = data.load("fashion_mnist", "train").sample(CALIBRATION)

    def row(network: paddle.nn.Layer, rounded: str, range_name: str, bits: int) -> dict[str, Any]:
        tested = training.evaluate(network, test)
        setting = {"activation": activation, "seed": seed, "rounded": rounded, "range": range_name, "bits": bits}
        return {**setting, "correct": int((tested.predictions == test.labels).sum()), "total": len(test)}

    yield row(model, "nothing", "", 32)
    for name, how in RANGES[activation].items():
        largest = how.get("largest") or quantization.activation_ranges(model, calibration, how["percentile"])
        for bits in BITS:
            with quantization.rounded_activations(model, bits, largest):
                yield row(model, "activations", name, bits)
    repaired = folding.fold(folding.repair(model))
    networks = {"as trained": model, "folded": folding.fold(model), "repaired and folded": repaired}
    for form in FORMS:
        which, kind = form.split(", ")
        rounded = round_depthwise_weights(networks[which], 8, per_channel=kind == "per channel")
        yield row(rounded, "depthwise weights", form, 8)


def round_depthwise_weights(model: paddle.nn.Layer, bits: int, per_channel: bool) -> paddle.nn.Layer:
    """A copy of `model` whose depthwise kernels are rounded by `quantise_weights`; everything else stays as it is."""
    from mobilenet_lib._support.paddle import paddle

    rounded = copy.deepcopy(model)
    for layer in rounded.sublayers():
        if isinstance(layer, paddle.nn.Conv2D) and layer._groups > 1:
            weights = quantization.quantise_weights(layer.weight.numpy(), bits, per_channel)
            layer.weight.set_value(weights.astype("float32"))
    return rounded


if __name__ == "__main__":
    main()
