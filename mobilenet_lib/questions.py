"""The questions that the lessons ask before they tell, with their truths computed from the cost ledger.

They live here and not in the notebooks, so that no answer lies where the question is asked. `predictions.predict`
asks them.
"""

from __future__ import annotations

import numpy as np

from mobilenet_lib import architectures, cost, papers, results
from mobilenet_lib._question import Question

_SEED_LAYER = {
    "in_channels": 3,
    "out_channels": 256,
    "kernel_size": 5,
    "input_size": 12,
    "padding": "valid",
}
_ARTICLE_LAYER = {"in_channels": 64, "out_channels": 128, "kernel_size": 3, "input_size": 112}


def _stride_two() -> str:
    full, strided = (cost.conv2d(16, 32, 3, 32, stride=stride).macs for stride in (1, 2))
    return {1: "the same", 2: "half", 4: "a quarter"}[full // strided]


def _doubled_channels() -> int:
    return cost.conv2d(32, 64, 3, 28).macs // cost.conv2d(16, 32, 3, 28).macs


def _outputs_per_weight() -> float:
    first = cost.conv2d(3, 64, 3, 224)
    return first.activations / first.params


def _spatially_separable() -> float:
    two_steps = cost.conv2d(1, 1, (5, 1), 32).macs + cost.conv2d(1, 1, (1, 5), 32).macs
    return cost.conv2d(1, 1, 5, 32).macs / two_steps


def _seed_times_fewer() -> float:
    return cost.conv2d(**_SEED_LAYER).macs / cost.depthwise_separable(**_SEED_LAYER).macs


def _article_ratio() -> float:
    return cost.depthwise_separable(**_ARTICLE_LAYER).macs / cost.conv2d(**_ARTICLE_LAYER).macs


_SETTINGS = {
    "3×3, from 256 to 1 channel": (256, 1, 3),
    "3×3, from 256 to 512 channels": (256, 512, 3),
    "5×5, from 256 to 64 channels": (256, 64, 5),
}


def _costs_more_when_separable() -> str:
    (setting,) = (
        name
        for name, layer in _SETTINGS.items()
        if cost.depthwise_separable(*layer, input_size=14).macs
        > cost.conv2d(*layer, input_size=14).macs
    )
    return setting


def _grouped_shape() -> str:
    weights = cost.conv2d(6, 12, 3, 8, groups=3).params
    return f"[12, {weights // (12 * 3 * 3)}, 3, 3]"


def _pointwise_share() -> float:
    layer = cost.depthwise_separable(512, 512, 3, 14)
    return 100 * layer.pointwise.macs / layer.macs


def _separable_rank() -> str:
    generator = np.random.default_rng(0)
    one_kernel, mixing = generator.normal(size=9), generator.normal(size=64)
    return str(np.linalg.matrix_rank(np.outer(mixing, one_kernel)))


_ALL = (
    Question(
        "01.macs_of_4x4",
        "A 4×4 input with one channel meets one 3×3 kernel, without padding. How many MACs does that take?",
        lambda: cost.conv2d(1, 1, 3, 4, padding="valid").macs,
        default=16,
        unit="MACs",
        why="The kernel fits at 2 × 2 places, and at each of them every one of its 9 weights is used once.",
    ),
    Question(
        "01.seed_standard",
        "A 12×12×3 input, 256 kernels of 5×5×3, no padding. How many MACs?",
        lambda: cost.conv2d(**_SEED_LAYER).macs,
        default=409_600,
        unit="MACs",
        why="Each of the 8 × 8 × 256 outputs is a sum over 5 × 5 places in all 3 input channels.",
    ),
    Question(
        "01.stride_two",
        'With "same" padding, the stride of a layer goes from 1 to 2. What is left of its MACs?',
        _stride_two,
        default="half",
        choices=("half", "a quarter", "the same"),
        why="The kernel now stops at every second row and at every second column, so both sides of the output halve.",
    ),
    Question(
        "01.double_channels",
        "A layer gets twice as many input channels and twice as many output channels. Its MACs grow by which factor?",
        _doubled_channels,
        default=2,
        unit="times",
        why="Every output channel looks at every input channel, so the two channel counts multiply.",
    ),
    Question(
        "01.weights_or_activations",
        'First layer of a network: a 224×224×3 picture, 3×3 kernels, 64 output channels, "same" padding, no bias. '
        "How many output values are there for each weight?",
        _outputs_per_weight,
        default=10,
        unit="output values per weight",
        why="A weight is used at all 224 × 224 places, and each use feeds one output value that must be kept, "
        "so early layers fill memory with activations, not with weights.",
    ),
    Question(
        "01.flops_of_layer",
        "A 1×1 convolution takes a 7×7 map from 64 to 64 channels. How many FLOPs is that? (FLOPs, not MACs.)",
        lambda: cost.conv2d(64, 64, 1, 7).flops,
        default=200_704,
        unit="FLOPs",
        why="Each of the 7 × 7 × 64 outputs sums 64 products, and every MAC is two operations: "
        "a multiplication and an addition.",
    ),
    Question(
        "01.spatially_separable",
        "On one channel, a 5×5 kernel is replaced by a 5×1 kernel followed by a 1×5 kernel, the map keeps its size. "
        "How many times fewer MACs is that?",
        _spatially_separable,
        default=5,
        unit="times fewer",
        why="Two thin kernels have 5 + 5 weights in place of 5 × 5.",
    ),
    Question(
        "02.depthwise_only",
        "A depthwise convolution on a 12×12×3 input: one 5×5 kernel for each channel, no padding. How many MACs?",
        lambda: cost.depthwise_separable(**_SEED_LAYER).depthwise.macs,
        default=1_600,
        unit="MACs",
        why="Each of the 8 × 8 × 3 outputs sums 5 × 5 products of its own channel only.",
    ),
    Question(
        "02.separable_total",
        "Now the 1×1 convolution to 256 channels is added. How many times fewer MACs does the pair take than "
        "256 standard kernels of 5×5×3?",
        _seed_times_fewer,
        default=9,
        unit="times fewer",
        why="The ratio of the two costs is 1/256 + 1/25, and almost all of it is the kernel's 1/25.",
    ),
    Question(
        "02.seed_layer_ratio",
        "A 3×3 layer takes a 112×112 map from 64 to 128 channels. Which share of the standard layer's MACs does the "
        "separable layer need? (A number below 1.)",
        _article_ratio,
        default=0.5,
        unit="of the standard MACs",
        why="The share is 1/N + 1/k², here with N = 128 output channels and k = 3.",
    ),
    Question(
        "02.never_cheaper",
        "For which of these layers does the separable form cost more MACs than the standard one?",
        _costs_more_when_separable,
        default="5×5, from 256 to 64 channels",
        choices=tuple(_SETTINGS),
        why="The depthwise part is paid once and shared by all output channels, and with a single one the share "
        "1/N + 1/k² is above 1.",
    ),
    Question(
        "02.grouped_shape",
        "What is the shape of the weights of `Conv2D(6, 12, kernel_size=3, groups=3)`?",
        _grouped_shape,
        default="[12, 6, 3, 3]",
        choices=("[12, 6, 3, 3]", "[12, 2, 3, 3]", "[4, 2, 3, 3]"),
        why="There is still one kernel for each of the 12 outputs, but it sees only its group's third of the inputs.",
    ),
    Question(
        "02.where_the_macs_are",
        "A separable 3×3 layer from 512 to 512 channels. Which share of its MACs is in the 1×1 part?",
        _pointwise_share,
        default=50,
        unit="%",
        why="At every place, a channel costs 9 MACs in the depthwise part and 512 in the 1×1 part.",
    ),
    Question(
        "02.rank_of_separable",
        "One input channel goes to 64 output channels. Write the 64 kernels of 3×3 as the rows of a 64×9 matrix. "
        "What is the largest rank that this matrix can have when the layer is separable?",
        _separable_rank,
        default="9",
        choices=("1", "9", "64"),
        why="All 64 rows are multiples of the channel's one depthwise kernel.",
    ),
)

# Lessons 04 and 06: the networks.


def _printed_last_map() -> int:
    """Side of the last map of V1 with the stride 2 that Table 1 prints in its last depthwise row."""
    before = architectures.mobilenet_v1().blocks[-3].input_size
    return cost.conv2d(1024, 1024, 3, before, stride=2, groups=1024).output_shape[1]


def _macs_with_stride_1(pair: int) -> int:
    """MACs of V1 as Table 1 prints it, but with stride 1 in one pair (counted from 1)."""
    strides = [stride for stride, _ in architectures.V1_SEPARABLE[:-1]] + [2]
    strides[pair - 1] = 1
    stem = cost.conv2d(3, 32, 3, 224, stride=2)
    macs, (channels, size, _) = stem.macs, stem.output_shape
    for stride, (_, out_channels) in zip(strides, architectures.V1_SEPARABLE, strict=True):
        block = cost.depthwise_separable(channels, out_channels, 3, size, stride)
        macs, (channels, size, _) = macs + block.macs, block.output_shape
    return macs + cost.linear(channels, 1000).macs


_STRIDES_OF_2 = {
    "pair 2, to 128 channels": 2,
    "pair 4, to 256 channels": 4,
    "pair 6, to 512 channels": 6,
    "pair 12, to 1024 channels": 12,
    "pair 13, the last": 13,
}


def _misprinted_pair() -> str:
    (wrong,) = (
        name
        for name, pair in _STRIDES_OF_2.items()
        if abs(_macs_with_stride_1(pair) / 1e6 - 569) < 1
    )
    return wrong


def _fully_connected_share() -> float:
    return float(architectures.mobilenet_v1().by_kind().loc["linear", "params_percent"])


def _share_at_half_width() -> float:
    return 100 * architectures.mobilenet_v1(0.5).macs / architectures.mobilenet_v1().macs


def _params_at_128() -> str:
    large, small = architectures.mobilenet_v1(), architectures.mobilenet_v1(resolution=128)
    return {1: "all", 2: "about a half", 3: "about a third"}[round(large.params / small.params)]


def _macs_at_one_place() -> int:
    return sum(row.macs for row in architectures.mobilenet_v2().blocks[3].rows) // 56**2


def _bottlenecks(shortcut: tuple[str, ...] = ("none", "identity")) -> int:
    blocks = architectures.mobilenet_v2().blocks
    return sum(block.kind == "bottleneck" and block.shortcut in shortcut for block in blocks)


def _higher_peak() -> str:
    peaks = {"V1": architectures.mobilenet_v1(), "V2": architectures.mobilenet_v2()}
    return max(peaks, key=lambda name: peaks[name].peak_activations)


def _seed_times() -> float:
    return architectures.seed_mobilenet_v2().macs / architectures.mobilenet_v2(num_classes=10).macs


_NETWORKS = (
    Question(
        "04.last_map",
        "A picture of 224×224 goes through the stem (stride 2) and the thirteen pairs as they are printed above. "
        "How many pixels wide is the last map?",
        _printed_last_map,
        default=7,
        unit="pixels",
        why="Six strides of 2, the stem's and five in the table: 112, 56, 28, 14, 7, and half of 7 is rounded up.",
    ),
    Question(
        "04.misprint",
        "In which pair should the stride be 1, so that the network has 569 million MACs?",
        _misprinted_pair,
        default="pair 12, to 1024 channels",
        choices=tuple(_STRIDES_OF_2),
        why="Halving the last map takes 35 million MACs away: 51.8 million at 7×7 become 16.9 million at 4×4. Any earlier "
        "change makes more maps larger and adds more than is missing.",
    ),
    Question(
        "04.fully_connected_params",
        "The classifier of V1 takes 0.18 % of the MACs. Which share of the weights does it hold?",
        _fully_connected_share,
        default=0.18,
        unit="%",
        why="It has 1024 · 1000 of 4.2 million weights, and uses each once; a convolution uses it at every place.",
    ),
    Question(
        "04.half_width",
        "Every layer of V1 gets half of its channels (α = 0.5). What is left of the MACs?",
        _share_at_half_width,
        default=50,
        unit="%",
        why="In the 1×1 layers, which hold 95 % of the MACs, half of the inputs meet half of the outputs: a quarter.",
    ),
    Question(
        "04.params_at_128",
        "V1 gets pictures of 128×128 pixels instead of 224×224. What is left of its weights?",
        _params_at_128,
        default="about a third",
        choices=("all", "about a half", "about a third"),
        why="The same kernels move over smaller maps. A third is what is left of the MACs: (128 / 224)² is 0.33.",
    ),
    Question(
        "06.macs_at_one_place",
        "A block of V2 at stride 1: expand from 24 to 144 channels, filter 3×3 depthwise, project back to 24. How many MACs "
        "are that at one place of the map?",
        _macs_at_one_place,
        default=3456,
        unit="MACs",
        why="24 · 144 to expand, 9 · 144 to filter, 144 · 24 to project.",
    ),
    Question(
        "06.bottlenecks",
        "How many bottleneck blocks does Table 2 describe?",
        _bottlenecks,
        default=7,
        unit="blocks",
        why="A row is a stage of n blocks: 1 + 2 + 3 + 4 + 3 + 3 + 1.",
    ),
    Question(
        "06.shortcuts",
        "How many blocks of Table 2 add their input to their output?",
        lambda: _bottlenecks(("identity",)),
        default=13,
        unit="blocks",
        why="Only the repeats of a stage keep channels and size: 0 + 1 + 2 + 3 + 2 + 2 + 0. The first block of every stage changes "
        "the channels.",
    ),
    Question(
        "06.first_expansion",
        "How many MACs would an expansion at t = 1 add: a 1×1 convolution from 32 to 32 channels on the 112×112 map?",
        lambda: cost.conv2d(32, 32, 1, 112).macs,
        default=401_408,
        unit="MACs",
        why="At each of the 112 · 112 places, 32 inputs meet 32 outputs.",
    ),
    Question(
        "06.peak_memory",
        "The layers run one after the other, and each needs its input and its output in memory. Which network needs more "
        "memory at its peak, for a 224×224 picture?",
        _higher_peak,
        default="V1",
        choices=("V1", "V2"),
        why="V2's second block expands to 96 channels while the map is still 112×112; V1 has at most 64 channels there.",
    ),
    Question(
        "06.seed_times",
        "How many times the MACs of the paper's V2 does the article's V2 take? (10 classes, 224×224 pixels.)",
        _seed_times,
        default=1.1,
        unit="times",
        why="Every map of the network is twice as large on both sides, which alone makes four times the MACs; the layers that "
        "the paper does not have add the rest.",
    ),
)

_SMALL = {"width_multiplier": 0.25, "resolution": 32, "num_classes": 10, "stem_stride": 1}


def _dearer_small_network() -> str:
    v1, v2 = architectures.mobilenet_v1(**_SMALL), architectures.mobilenet_v2(**_SMALL)
    return "V1" if v1.macs > v2.macs else "V2"


def _interval_half_width() -> float:
    low, high = results.wilson_interval(7500, 10_000)
    return 100 * (high - low) / 2


def _pictures_apart() -> int:
    accuracy = {figure.row: figure.value for figure in papers.figures("seed", "accuracy")}
    return round(10_000 * (accuracy["mobilenet_v1"] - accuracy["mobilenet_v2"]) / 100)


_TRAINING = (
    Question(
        "00.macs_of_v1",
        "VGG16, a network of 2014, takes 15,470 million MACs to name one picture of 224×224. How many does MobileNet V1 "
        "take, which names pictures nearly as well?",
        lambda: architectures.mobilenet_v1().macs / 1e6,
        default=5000,
        unit="million MACs",
        why="Nearly all of its layers look around per channel first and mix the channels afterwards, which lessons 01 and 02 "
        "take apart.",
    ),
    Question(
        "00.weights_of_v1",
        "VGG16 has 138 million weights. How many weights does MobileNet V1 have?",
        lambda: architectures.mobilenet_v1().params / 1e6,
        default=40,
        unit="million weights",
        why="Thin layers and a single fully connected layer hold 4.2 million, a 33rd of VGG16's.",
    ),
    Question(
        "00.v2_share_of_v1",
        "MobileNet V2 came a year later. How many MACs does it take, in percent of V1's?",
        lambda: 100 * architectures.mobilenet_v2().macs / architectures.mobilenet_v1().macs,
        default=90,
        unit="%",
        why="Its blocks carry few channels from one to the next and are wide only inside, which lesson 06 takes apart.",
    ),
    Question(
        "08.which_costs_more",
        "MobileNet V1 and V2 at a quarter of the width, on 32×32 pictures in ten classes: which takes more MACs?",
        _dearer_small_network,
        default="V2",
        choices=("V1", "V2"),
        why="V2 has more layers, but thin ones: between its wide depthwise layers the maps have few channels.",
    ),
    Question(
        "08.chance",
        "An untrained network names pictures of ten classes, of which there are equally many. Which share will be right?",
        lambda: 100 / 10,
        default=1,
        unit="%",
        why="Whatever it answers, a tenth of the pictures is of that class.",
    ),
    Question(
        "08.interval_width",
        "7,500 of 10,000 test pictures are right. How many percentage points must be allowed to either side, to be right 95 "
        "times out of 100?",
        _interval_half_width,
        default=3,
        unit="percentage points",
        why="The spread of a share p of n pictures is the root of p(1 − p)/n, and 95 % lie within about twice that.",
    ),
    Question(
        "08.seed_pictures_apart",
        "Test accuracy .7497 for V1 and .7486 for V2, each on the same 10,000 pictures. How many pictures lie between them?",
        _pictures_apart,
        default=110,
        unit="pictures",
        why="A difference of .0011 is eleven of ten thousand.",
    ),
)

QUESTIONS: dict[str, Question] = {
    question.id: question for question in (*_ALL, *_NETWORKS, *_TRAINING)
}


def question(question_id: str) -> Question:
    """The question with this id. ValueError names the ones of its lesson, or all."""
    if question_id in QUESTIONS:
        return QUESTIONS[question_id]
    lesson = str(question_id).split(".")[0]
    near = [known for known in QUESTIONS if known.startswith(lesson + ".")] or list(QUESTIONS)
    raise ValueError(f"there is no question {question_id!r}. Choose one of: {', '.join(near)}.")
