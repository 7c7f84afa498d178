"""The lessons in teaching order, as data. The map of the learner's progress and the tests read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """A lesson: the stem of its file in `notebooks/`, its title, the question it answers, and how long it takes.

    prerequisites: the numbers of the lessons it builds on.
    """

    stem: str
    title: str
    question: str
    minutes: int
    prerequisites: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """The two digits its file name begins with."""
        return self.stem[:2]

    @property
    def file_name(self) -> str:
        return f"{self.stem}.ipynb"


LESSONS = (
    Lesson("00_start_here", "Start here", "What will I learn, and does everything run on my machine?", minutes=20),
    Lesson(
        "01_what_a_convolution_costs",
        "What a convolution costs",
        "How many multiplications does one layer of a network need, and where does the number come from?",
        minutes=55,
    ),
    Lesson(
        "02_depthwise_separable_convolution",
        "Depthwise separable convolution",
        "Can one expensive layer be replaced by two cheap ones, how much is saved, and what is given up?",
        minutes=55,
        prerequisites=("01",),
    ),
    Lesson(
        "03_the_v1_block",
        "The V1 block",
        "What stands around the two convolutions of V1's block, and what is each part good for?",
        minutes=30,
        prerequisites=("02",),
    ),
    Lesson(
        "04_build_v1",
        "Build MobileNet V1",
        "How does a table of 28 layers become MobileNet V1, and where in it is the cost?",
        minutes=55,
        prerequisites=("02", "03"),
    ),
    Lesson(
        "05_what_relu_destroys",
        "What ReLU destroys",
        "Why does V2 leave the activation out where its blocks are thin, and why does it put the shortcut there?",
        minutes=50,
        prerequisites=("04",),
    ),
    Lesson(
        "06_build_v2",
        "Build MobileNet V2",
        "What does MobileNet V2 change, and why does it need fewer multiplications still?",
        minutes=50,
        prerequisites=("04", "05"),
    ),
    Lesson(
        "07_fewer_macs_faster",
        "Fewer MACs, faster?",
        "V2 needs about half of V1's MACs. Is it twice as fast, and what decides how long a network takes?",
        minutes=55,
        prerequisites=("04", "06"),
    ),
    Lesson(
        "08_train_and_compare",
        "Train and compare",
        "Does V1 or V2 learn better, and how would we know?",
        minutes=60,
        prerequisites=("04", "06"),
    ),
    Lesson(
        "09_design_your_own",
        "Design your own",
        "Which network would you build for a given budget, and how would you know that it is a good one?",
        minutes=50,
        prerequisites=("06", "08"),
    ),
    Lesson(
        "10_low_precision",
        "Low precision",
        "How few bits does a trained MobileNet need, and does ReLU6 help it?",
        minutes=45,
        prerequisites=("03", "04", "08"),
    ),
    Lesson(
        "11_ship_it",
        "Ship it",
        "How does a trained network leave the notebook, and does it still make the same predictions there?",
        minutes=50,
        prerequisites=("07", "08", "10"),
    ),
)

# What an instructor leaves out when time is short: section headings by cell id, first what is missed least. A lesson
# without an entry gives up its last sections first; `mobilenet_lib.teaching guide` says what that means in minutes.
CUTS: dict[str, tuple[str, ...]] = {
    "01": ("spatial", "memory", "learnker"),
    "02": ("rank", "explorer-intro"),
    "03": ("norm-cost",),
    "04": ("table-4-intro", "table-8-intro", "small", "grid-intro", "table-2-intro"),
    "05": ("slices", "not-said", "explorer-intro", "half-why"),
    "06": ("rounding-intro", "rounding-exercise", "explorer-intro", "table-4-intro", "counts-intro"),
    "07": ("batch-intro", "fault-4", "layers-intro"),
    "08": (
        "full",
        "1850a221",
        "mistakes",
        "confusion",
        "noise",
        "cost",
        "cost-exercise",
        "overfit",
        "scores",
        "pair-runs",
        "gap",
    ),
    "09": ("latency-intro", "winner-intro", "other-intro"),
    "10": ("cut", "fold-saves", "wide"),
    "11": ("cluster", "cluster-needs", "traffic", "parallel-real", "joined-exercise", "parallel"),
}


def lesson(number: str) -> Lesson:
    """The lesson with this number, such as "01". ValueError lists the numbers there are."""
    found = {one.number: one for one in LESSONS}
    if number not in found:
        raise ValueError(f"there is no lesson {number!r}. Choose one of: {', '.join(found)}.")
    return found[number]
