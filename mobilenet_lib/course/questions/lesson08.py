"""Questions of lesson 08: train and compare."""

from __future__ import annotations

import math
from statistics import fmean, stdev

from mobilenet_lib import architectures, papers, runs, statistics
from mobilenet_lib.course.questions._question import Question

_SMALL = {"width_multiplier": 0.25, "resolution": 32, "num_classes": 10, "stem_stride": 1}


def _more_expensive_network() -> str:
    v1, v2 = architectures.mobilenet_v1(**_SMALL), architectures.mobilenet_v2(**_SMALL)
    return "V1" if v1.macs > v2.macs else "V2"


def _interval_half_width() -> float:
    low, high = statistics.wilson_interval(7500, 10_000)
    return 100 * (high - low) / 2


def _images_apart() -> int:
    accuracy = {figure.row: figure.value for figure in papers.figures("article", "accuracy")}
    return round(10_000 * (accuracy["mobilenet_v1"] - accuracy["mobilenet_v2"]) / 100)


def _test_percent(prefix: str) -> dict[int, float]:
    """Test accuracy in per cent by seed, of the recorded runs whose names begin with `prefix`."""
    return {run.seed: 100 * run.test["accuracy"] for run in runs.recorded_all(prefix)}


def _linear_baseline() -> float:
    return fmean(_test_percent("fashion_linear_softmax_").values())


def _v2_minus_v1(v1: str = "fashion_v1_relu_seed", v2: str = "fashion_v2_seed") -> list[float]:
    """Differences of test accuracy in points, of the seeds that the recorded runs of both names have."""
    one, other = _test_percent(v1), _test_percent(v2)
    return [other[seed] - one[seed] for seed in sorted(one.keys() & other.keys())]


def _decided(differences: list[float]) -> str:
    found = statistics.mean_difference(differences)
    return "V2" if found["low"] > 0 else "V1" if found["high"] < 0 else "the seeds cannot tell"


def _seeds_for_two_points() -> int:
    return statistics.seeds_needed(2, stdev(_v2_minus_v1()))


def _disagree() -> int:
    paired = statistics.paired(runs.recorded("fashion_v1_relu_seed0"), runs.recorded("fashion_v2_seed0"))
    return paired["only_first"] + paired["only_second"]


_PAIRS = ("Shirt and T-shirt/top", "Shirt and Pullover", "Sneaker and Sandal", "Ankle boot and Sneaker")


def _most_confused() -> str:
    """Of the pairs in question, the one with most mistakes, either way, in all recorded runs of V2."""
    found = runs.recorded_all("fashion_v2_seed")

    def mistakes(pair: str) -> int:
        first, second = (found[0].data["classes"].index(name) for name in pair.split(" and "))
        return sum(run.test["confusion"][a][b] for run in found for a, b in ((first, second), (second, first)))

    return max(_PAIRS, key=mistakes)


def _training_cost() -> float:
    """V1's training on images of 224×224, in units of one at 32×32."""
    large, small = (architectures.mobilenet_v1(resolution=size, num_classes=10).macs for size in (224, 32))
    return large / small


QUESTIONS = (
    Question(
        "08.which_costs_more",
        "MobileNet V1 and V2 at a quarter of the width, on 32×32 images in ten classes: which takes more MACs?",
        _more_expensive_network,
        default="V2",
        choices=("V1", "V2"),
        why="V2 has more layers, but thin ones: between its wide depthwise layers the feature maps have few channels.",
    ),
    Question(
        "08.chance",
        "An untrained network classifies images of ten classes, of which there are equally many. Which fraction will "
        "be classified correctly?",
        lambda: 100 / 10,
        default=1,
        unit="%",
        why="Whatever one class it always says, a tenth of the images is of it. Guesses are right as often on average.",
    ),
    Question(
        "08.linear_baseline",
        "A linear softmax: a weight for each class and each pixel value, no hidden layer, eight times over all 6,000 "
        "images. Which fraction of the test images does it classify correctly?",
        _linear_baseline,
        default=50,
        unit="%",
        why="A weight per pixel sees only where an image is light or dark. On these images that goes far.",
    ),
    Question(
        "08.start_loss",
        "The loss of an image is minus the natural logarithm of the fraction that the network gives to the right "
        "class. Before training it gives each of ten classes the same. What is its loss?",
        lambda: math.log(10),
        default=10,
        unit="nats",
        why="Each class gets a tenth, and −ln(1/10) = ln 10.",
    ),
    Question(
        "08.interval_width",
        "7,500 of 10,000 test images are classified correctly. How many percentage points must be allowed to either "
        "side, to be right 95 times out of 100?",
        _interval_half_width,
        default=3,
        unit="percentage points",
        why="The standard error of a fraction p of n images is the root of p(1 − p)/n, and 95 % lie within about twice "
        "that.",
    ),
    Question(
        "08.article_images_apart",
        "Test accuracy .7497 for V1 and .7486 for V2, each on the same 10,000 images. How many images lie between "
        "them?",
        _images_apart,
        default=110,
        unit="images",
        why="A difference of .0011 is eleven of ten thousand.",
    ),
    Question(
        "08.largest_rate",
        "The loss is w², a step makes w − rate · 2w of w. Beyond which learning rate does w grow instead of shrinking?",
        lambda: f"{2 / 2:g}",  # a step makes (1 − 2 · rate) · w of w, which grows where that factor is below −1
        default="2",
        choices=("0.5", "1", "2"),
        why="At rate 1 a step turns w into −w: as far from the minimum as before. Any more, and it lands further away.",
    ),
    Question(
        "08.three_seeds",
        "A mean over three seeds: how many standard errors must be allowed on either side, to be right 95 times out of "
        "100?",
        lambda: statistics.student_t(3),
        default=2,
        unit="standard errors",
        why="Three values say little about their own spread; Student's t for two degrees of freedom makes up for that.",
    ),
    Question(
        "08.disagree",
        "V1 and V2, both trained on all bundled images, classify the same 2,000 test images. How many does exactly "
        "one of them classify correctly?",
        _disagree,
        default=100,
        unit="images",
        why="Two networks with similar accuracies need not be right about the same images.",
    ),
    Question(
        "08.training_cost",
        "V1 on images of 224×224, as in the article, or of 32×32, as they come, equally many and equally often. "
        "How many times as many MACs does the article's training take?",
        _training_cost,
        default=7,
        unit="times",
        why="Seven times as high and seven times as wide: every feature map has 49 times the positions. Only the "
        "classifier costs the same.",
    ),
    Question(
        "08.same_width",
        "V1 and V2, both with α = 0.5, twelve epochs on all of CIFAR-10, three seeds each. Which has the higher mean "
        "test accuracy, if the 95 % confidence interval of the difference must leave out 0?",
        lambda: _decided(_v2_minus_v1("card_grid_v1_050_", "card_grid_v2_050_")),
        default="V2",
        choices=("V1", "V2", "the seeds cannot tell"),
        why="At α = 0.5 V2 takes 36 % fewer MACs and 15 % fewer parameters. What the difference comes from was not "
        "measured.",
    ),
    Question(
        "08.most_confused",
        "V2 on the bundled images, ten seeds together: which of these pairs of classes is mixed up most often?",
        _most_confused,
        default="Ankle boot and Sneaker",
        choices=_PAIRS,
        why="This is what the ten recorded runs gave, mistakes of either kind added up.",
    ),
    Question(
        "08.better",
        "V1 and V2 at a quarter of the width, eight epochs on all 6,000 bundled images, the same seeds for both. Which "
        "has the higher mean test accuracy, if the 95 % confidence interval of the difference must leave out 0?",
        lambda: _decided(_v2_minus_v1()),
        default="V1",
        choices=("V1", "V2", "the seeds cannot tell"),
        why="What decides is how large the mean difference is beside its standard error over the seeds.",
    ),
    Question(
        "08.seeds_needed",
        "V1 and V2 on the bundled images, as above: how many seeds must both be trained with, to see a true difference "
        "of two points four times out of five?",
        _seeds_for_two_points,
        default=20,
        unit="seeds",
        why="The standard error falls with the root of the number of seeds. With so few of them Student's t is large, "
        "so the standard error must be a small part of the difference that is to be seen: a sixth of two points here.",
    ),
)
