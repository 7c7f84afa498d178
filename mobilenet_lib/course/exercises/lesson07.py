"""Exercises of lesson 07: a summary of times, arithmetic intensity, and the roof above a layer."""

from __future__ import annotations

import numpy as np

from mobilenet_lib.course.exercises._exercise import Arguments, Exercise


def median_ms(seconds, warm_up):
    """The median in milliseconds of a list of seconds, without the first warm_up of them."""
    kept = sorted(seconds[warm_up:])
    middle = len(kept) // 2
    if len(kept) % 2:
        return 1000 * kept[middle]
    return 1000 * (kept[middle - 1] + kept[middle]) / 2


def arithmetic_intensity(macs, inputs, outputs, weights, batch_size):
    """MACs per byte of float32 (4 bytes); macs, inputs and outputs are for one image."""
    numbers = batch_size * (inputs + outputs) + weights
    return batch_size * macs / (4 * numbers)


def shortest_time(macs, bytes_moved, macs_per_second, bytes_per_second):
    """The seconds that a layer needs at least, when computing and moving go on side by side."""
    return max(macs / macs_per_second, bytes_moved / bytes_per_second)


def _random_times(rng: np.random.Generator) -> Arguments:
    warm_up = int(rng.integers(1, 4))
    later = 0.01 + rng.exponential(0.01, size=rng.integers(5, 10))
    return [0.1 * n for n in range(warm_up, 0, -1)] + [*later], warm_up


def _random_layer(rng: np.random.Generator) -> Arguments:
    sizes = rng.integers(10, 9000, size=3)
    return rng.integers(1000, 99_000), *sizes, rng.integers(2, 33)


MEDIAN = Exercise(
    prompt="Write the median of measured times: drop the warm-up calls at the beginning, and give milliseconds.",
    reference=median_ms,
    returns="number",
    cases=(
        ([0.9, 0.010, 0.012, 0.011], 1),
        ([0.9, 0.5, 0.010, 0.040, 0.020, 0.013], 2),
        ([0.5, 0.030, 0.010, 0.020, 0.090, 0.015], 1),
        ([0.9, 0.004, 0.001, 0.002, 0.006, 0.003], 1),
        ([0.010, 0.900, 0.010, 0.020, 0.011], 1),
        ([0.5, 0.010, 0.010, 0.010, 0.020, 0.030], 1),
        ([0.9, *(0.010 + 0.001 * n for n in range(11)), 1.0], 1),
    ),
    random_case=_random_times,
    first_hint="Three steps: leave the first calls out, put the others in order, take the middle one. What is the "
    "middle of an even number of times?",
    second_hint="A slice leaves the first calls out, and `sorted` puts the rest in order. With an even number of them, "
    "the median is the mean of the two in the middle. A second has 1000 milliseconds.",
    mistakes={
        "mean": lambda seconds, warm_up: float(1000 * np.mean(seconds[warm_up:])),
        "warm_up_kept": lambda seconds, warm_up: median_ms(seconds, 0),
        "dropped_after_sorting": lambda seconds, warm_up: median_ms(sorted(seconds), warm_up),
        "slowest_dropped": lambda seconds, warm_up: median_ms(sorted(seconds)[::-1], warm_up),
        "dropped_at_the_end": lambda seconds, warm_up: median_ms(seconds[::-1], warm_up),
        "not_sorted": lambda seconds, warm_up: 1000 * seconds[warm_up:][(len(seconds) - warm_up) // 2],
        "not_sorted_mean": lambda times, warm_up: 500 * sum(times[(len(times) + warm_up - k) // 2] for k in (0, 1)),
        "upper_middle": lambda seconds, warm_up: 1000 * sorted(seconds[warm_up:])[(len(seconds) - warm_up) // 2],
        "fastest": lambda seconds, warm_up: 1000 * min(seconds[warm_up:]),
        "seconds": lambda seconds, warm_up: median_ms(seconds, warm_up) / 1000,
    },
    messages={
        "mean": "You took the mean. One call that was interrupted pulls it up; the median hardly moves.",
        "warm_up_kept": "You kept the warm-up calls. They measure how the program starts, not how it runs.",
        "dropped_after_sorting": "You put the times in order first and dropped then: so the fastest calls went, not "
        "the first ones.",
        "slowest_dropped": "You dropped the slowest calls. The warm-up calls are the first ones, slow or not, and a "
        "call that is slow later on belongs to how the program runs.",
        "dropped_at_the_end": "You dropped calls at the end. The warm-up is at the beginning.",
        "not_sorted": "You took the call in the middle of the list as it was measured. The median is the middle of the "
        "*ordered* times.",
        "not_sorted_mean": "The middle of the list as it was measured is not the middle of the times: which step comes "
        "first?",
        "upper_middle": "Right for an odd number of times. With an even number there are two in the middle, and the "
        "median is their mean.",
        "fastest": "You took the fastest call. That is a good limit, but not what a user will usually see.",
        "seconds": "The median is right, but in seconds. The question asks for milliseconds.",
    },
    minutes=6,
    difficulty=1,
)

INTENSITY = Exercise(
    prompt="Write how many MACs a layer performs for each byte moved: inputs and outputs of every image of the batch, "
    "and the weights once. Numbers are float32.",
    reference=arithmetic_intensity,
    returns="number",
    cases=(
        (9, 1, 1, 9, 1),
        (1_806_336, 100_352, 100_352, 4608, 2),
        (51_380_224, 100_352, 100_352, 262_144, 4),
        (1000, 100, 20, 300, 16),
    ),
    random_case=_random_layer,
    first_hint="Above the line: the MACs of the whole batch. Below it: all bytes. Which of the numbers below are there "
    "once per image, and which once for all?",
    second_hint="Count numbers first: each image brings its own inputs and outputs, and all share the weights. Each "
    "number has 4 bytes. And the MACs are given for one image only.",
    mistakes={
        "numbers_for_bytes": lambda *numbers: 4 * arithmetic_intensity(*numbers),
        "doubled": lambda *numbers: 2 * arithmetic_intensity(*numbers),
        "weights_per_image": lambda macs, i, o, w, batch_size: arithmetic_intensity(macs, i, o, w, 1),
        "macs_of_one_image": lambda macs, i, o, w, batch_size: arithmetic_intensity(
            macs / batch_size, i, o, w, batch_size
        ),
        "no_weights": lambda macs, i, o, w, batch_size: arithmetic_intensity(macs, i, o, 0, batch_size),
        "no_outputs": lambda macs, i, o, w, batch_size: arithmetic_intensity(macs, i, 0, w, batch_size),
        "bytes_per_mac": lambda *numbers: 1 / arithmetic_intensity(*numbers),
    },
    messages={
        "numbers_for_bytes": "This is MACs per *number*. A float32 number has 4 bytes.",
        "doubled": "This is twice the right value. Did you count FLOPs, of which a MAC has two, or numbers of 2 bytes? "
        "A float32 number has 4 bytes.",
        "weights_per_image": "You fetched the weights anew for each image (or left the batch out). A batch shares "
        "them: that is why it helps.",
        "macs_of_one_image": "The bytes are those of the batch, but the MACs are those of one image.",
        "no_weights": "You left the weights out. They come from memory too, and on small feature maps they are most of "
        "it.",
        "no_outputs": "You left the outputs out. They have to be written.",
        "bytes_per_mac": "This is bytes per MAC, the fraction upside down.",
    },
    minutes=12,
    difficulty=2,
    points=20,
)

SHORTEST = Exercise(
    prompt="Write the shortest time that the roofline allows: the processor computes and fetches at the same time.",
    reference=shortest_time,
    returns="number",
    cases=(
        (40e9, 1e9, 40e9, 20e9),
        (1e9, 40e9, 40e9, 20e9),
        (1_806_336.0, 821_248.0, 40e9, 20e9),
        (51_380_224.0, 1_851_392.0, 40e9, 20e9),
    ),
    random_case=lambda rng: (*rng.uniform(1e6, 1e9, size=2), rng.uniform(1e10, 1e12), rng.uniform(5e9, 1e11)),
    first_hint="Compute two times, one for the arithmetic alone and one for the memory alone. Both go on side by side; "
    "when is the layer done?",
    second_hint="Divide each amount by its rate: that gives two times. The layer is done when the slower of the two "
    "is.",
    mistakes={
        "one_after_the_other": lambda macs, moved, compute, memory: macs / compute + moved / memory,
        "the_faster": lambda macs, moved, compute, memory: min(macs / compute, moved / memory),
        "macs_only": lambda macs, moved, compute, memory: macs / compute,
        "bytes_only": lambda macs, moved, compute, memory: moved / memory,
        "rate_for_time": lambda macs, moved, compute, memory: min(compute, macs / moved * memory),
    },
    messages={
        "one_after_the_other": "You added both times, as if the processor waited for all bytes before it began. The "
        "roofline lets both go on at once.",
        "the_faster": "You took the shorter of the two times. The layer is not done before both are.",
        "macs_only": "You looked at the arithmetic alone, as a table of MACs does. The bytes take time too.",
        "bytes_only": "You looked at the memory alone. A layer with many MACs per byte has to wait for the arithmetic.",
        "rate_for_time": "This is the height of the roof, in MACs per second. The question asks for the seconds.",
    },
    minutes=7,
    difficulty=2,
)

EXERCISES = (MEDIAN, INTENSITY, SHORTEST)
