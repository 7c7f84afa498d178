"""Questions of lesson 07: fewer MACs, faster?"""

from __future__ import annotations

from mobilenet_lib import architectures, papers, statistics
from mobilenet_lib.course.questions._question import Question
from mobilenet_lib.experiments.on_card import plans
from mobilenet_lib.experiments.speed import measured, roofline, steps
from mobilenet_lib.experiments.speed.measured import milliseconds


def _fastest_of_the_article() -> str:
    names = {"vgg16": "VGG16", "mobilenet_v1": "V1", "article_mobilenet_v2": "V2"}
    seconds = {figure.row: figure.value for figure in papers.figures("article", "speed")}
    return names[min(names, key=lambda name: seconds[name])]


_STEPS = {
    "folded": "folding batch norms",
    "no_python": "no Python",
    "onednn": "oneDNN's kernels",
    "paddle.inference": "the other passes",
}


def _largest_step() -> str:
    """The step that makes V2 faster by the largest factor."""
    times = measured.ablation("mobilenet_v2")["times"].rename({title: step for step, title in steps.TITLES.items()})
    return _STEPS[times[list(_STEPS)].idxmax()]


def _kernels() -> int:
    rows = measured.record()["networks"]
    return next(sum(row["launches"].values()) for row in rows if row["network"] == "mobilenet_v2")


def _waiting() -> float:
    """How many times as long V1's call takes on the card when the clock waits."""
    ways = plans.calls()["ms"]["mobilenet_v1"]
    return statistics.ratio_of_medians(ways["waiting"], ways["not waiting"])[0]


QUESTIONS = (
    Question(
        "07.article_fastest",
        "The article timed VGG16 (15470 M MACs), V1 (569 M) and its V2 (1291 M) on a GPU, one image each. Which was "
        "the fastest?",
        _fastest_of_the_article,
        default="V1",
        choices=("VGG16", "V1", "V2"),
        why="It printed 4 ms for VGG16, 8 ms for V1 and 20 ms for its V2: not the order of the MACs.",
    ),
    Question(
        "07.v1_to_v2",
        "V1 has 1.89 times as many MACs as V2. In our recorded run on a CPU (dynamic graph, 2 threads): how many times "
        "as long did V1 take?",
        lambda: milliseconds("mobilenet_v1", "dynamic") / milliseconds("mobilenet_v2", "dynamic"),
        default=1.89,
        unit="times",
        why="This is a measurement on one machine, and no formula says it. Its 95 % confidence interval: 0.81 to 0.87.",
    ),
    Question(
        "07.depthwise_bytes",
        "V2's depthwise layers perform 7 % of its MACs. Which fraction of the bytes that its convolutions, pool and "
        "classifier move do they move, when each layer reads its input and weights and writes its output once?",
        lambda: roofline.by_kind(architectures.mobilenet_v2()).loc["depthwise convolution", "bytes_percent"],
        default=7,
        unit="%",
        why="They read and write the wide feature maps in the middle of the blocks, and do only 9 MACs for each number "
        "that they write.",
    ),
    Question(
        "07.kernels",
        "V2 has 53 layers with weights. How many kernels (tasks for the device) does Paddle's dynamic graph launch for "
        "one image?",
        _kernels,
        default=53,
        unit="kernels",
        why="Each of the 52 convolutions is followed by a batch norm, and 35 of them by a ReLU6; then come the sums of "
        "10 shortcuts, the pool, a flatten, and the classifier with its bias.",
    ),
    Question(
        "07.inference_runtime",
        "The same V2 with the same weights in an inference runtime that sees the whole network beforehand "
        "(paddle.inference with oneDNN). How many times as fast as the dynamic graph was it in our recorded run, with "
        "2 threads?",
        lambda: milliseconds("mobilenet_v2", "dynamic") / milliseconds("mobilenet_v2", "paddle.inference"),
        default=1.2,
        unit="times",
        why="The MACs stayed the same, and so did the weights. The 95 % confidence interval: 4.54 to 4.85. What in the "
        "program makes the difference is measured step by step.",
    ),
    Question(
        "07.largest_step",
        "From V2 in the dynamic graph to the whole runtime in four steps. Which of them makes it faster by the "
        "largest factor in our recorded run with 2 threads?",
        _largest_step,
        default="no Python",
        choices=tuple(_STEPS.values()),
        why="The recorded table below has the factor of each step, and its interval.",
    ),
    Question(
        "07.card_waiting",
        "V1 on a graphics card of today, one image, in train mode. The article's clock stops when the call returns. "
        "How many times as long is the reading if the clock waits for the card?",
        _waiting,
        default=3,
        unit="times",
        why="Its 95 % confidence interval: 1.000 to 1.037. Queued by one command, the kernels take an eighth of the "
        "reading (in eval mode), so the card can be done with most of them before Python has queued the last.",
    ),
)
