"""Questions of lesson 08: train and compare."""

from __future__ import annotations

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


def _few_images_gap() -> float:
    run = runs.recorded("article_mobilenet_v1_seed0")
    return 100 * (run.test["train"]["accuracy"] - run.test["accuracy"])


def _compared() -> dict[tuple[str, int], runs.Run]:
    """The runs of V1 and V2 on all of CIFAR-10 that record which images were classified correctly, by name and seed."""
    recorded = runs.recorded_all("cifar10_mobilenet_v")
    return {(run.name, run.seed): run for run in recorded if "right" in run.test}


def _disagree() -> int:
    compared = _compared()
    seed = min(
        seed for name, seed in compared if ("mobilenet_v1", seed) in compared and ("mobilenet_v2", seed) in compared
    )
    paired = statistics.paired(compared["mobilenet_v1", seed], compared["mobilenet_v2", seed])
    return paired["only_first"] + paired["only_second"]


_PAIRS = ("cat and dog", "automobile and truck", "bird and airplane", "deer and horse")


def _most_confused() -> str:
    """Of the pairs in question, the one with most mistakes, either way, in the first such run of V2."""
    (_, run), *_ = sorted(item for item in _compared().items() if item[0][0] == "mobilenet_v2")
    classes, matrix = run.data["classes"], run.test["confusion"]

    def mistakes(pair: str) -> int:
        first, second = (classes.index(name) for name in pair.split(" and "))
        return matrix[first][second] + matrix[second][first]

    return max(_PAIRS, key=mistakes)


def _training_cost() -> float:
    """V1's training in the article, 3 epochs of 50,000 images at 224×224, in units of 3 epochs of 2,000 at 32×32."""
    small = architectures.mobilenet_v1(resolution=32, num_classes=10, stem_stride=1).macs
    return architectures.mobilenet_v1(resolution=224, num_classes=10).macs * 50_000 / (small * 2000)


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
        why="Whatever it predicts, a tenth of the images is of that class.",
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
        "08.few_images_gap",
        "V1 (3.2 million weights) was shown the same 2,000 images of CIFAR-10 three times over, without augmentation. "
        "Afterwards, how many percentage points is its accuracy on them above that on test images?",
        _few_images_gap,
        default=5,
        unit="percentage points",
        why="It has enough weights to know these images by heart, and what is known by heart helps with no other "
        "image.",
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
        "V1 and V2, both trained on all of CIFAR-10, classify the same 10,000 test images. How many does exactly one "
        "of them classify correctly?",
        _disagree,
        default=500,
        unit="images",
        why="Two networks with similar accuracies need not be right about the same images.",
    ),
    Question(
        "08.training_cost",
        "V1 at 224×224 on 50,000 images, as in the article, or at 32×32 on 2,000 images, as we can afford, for equally "
        "many epochs. How many times as many MACs does the article's training take?",
        _training_cost,
        default=25,
        unit="times",
        why="There are 25 times the images, and each has 49 times the pixels, of which our stem of stride 1 skips "
        "fewer.",
    ),
    Question(
        "08.most_confused",
        "V2 on CIFAR-10: which of these pairs of classes is mixed up most often?",
        _most_confused,
        default="automobile and truck",
        choices=_PAIRS,
        why="Both have fur, four legs and the same backgrounds, and each takes a great many forms.",
    ),
)
