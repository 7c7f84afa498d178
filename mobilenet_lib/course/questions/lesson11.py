"""Questions of lesson 11: ship it."""

from __future__ import annotations

from mobilenet_lib import architectures
from mobilenet_lib.course.questions._question import Question
from mobilenet_lib.experiments.shipping import shipped

# The network that the lesson ships.
_SHIPPED = architectures.mobilenet_v1(0.25, 32, 10, stem_stride=1)

_BYTES = 4  # of a number in float32

_EXACT, _DIGITS, _CLASSES = (
    "not at all",
    "in the last digits; every image keeps its class",
    "some images get another class",
)
_UNSURE, _HALF, _SURE = "about 10 %", "about 50 %", "over 90 %"


def _stored_numbers() -> int:
    """Weights and biases, and four numbers for each channel of a batch norm: two learned, two running statistics."""
    channels = sum(row.output_shape[0] for row in _SHIPPED.rows if row.batch_norm)
    return _SHIPPED.trainable_params + 2 * channels


def _what_the_runtime_changes() -> str:
    found = shipped.record()["agreement"]["paddle.inference"]
    if found["largest_difference"] == 0:
        return _EXACT
    return _DIGITS if found["same_class"] == found["images"] else _CLASSES


def _right_with_the_wrong_range() -> float:
    found = shipped.record()["preparations"]["0 to 1"]
    return 100 * found["correct"] / found["total"]


def _sure_of_noise() -> str:
    fraction = shipped.record()["noise"]["median_confidence"]
    return _SURE if fraction > 0.9 else _HALF if fraction > 0.3 else _UNSURE


QUESTIONS = (
    Question(
        "11.weights_file",
        "The network has 210,160 weights and 10 biases, and 27 batch norms over 2,736 channels in all. How many kB "
        "(1,000 bytes) does a file of all its numbers take, with 4 bytes for each?",
        lambda: _stored_numbers() * _BYTES / 1e3,
        default=210,
        unit="kB",
        why="A batch norm keeps four numbers for each channel, two learned and two running statistics: 210,170 + 4 · "
        "2,736 numbers, times 4 bytes.",
    ),
    Question(
        "11.runtime_scores",
        "The runtime folds the 27 batch norms into the convolutions and computes in another order. What happens to the "
        "scores of 200 test images?",
        _what_the_runtime_changes,
        default=_EXACT,
        choices=(_EXACT, _DIGITS, _CLASSES),
        why="It is the same sum in real numbers, but floating-point numbers round elsewhere. The next output has the "
        "differences beside the smallest gap between two classes.",
    ),
    Question(
        "11.runtime_times",
        "64 images at once, on the two cores of the record: how many times faster is ONNX Runtime than Paddle's "
        "dynamic graph?",
        lambda: float(shipped.speed_up(shipped.recorded_rounds()).loc[("onnxruntime", 64), "times"]),
        default=2,
        unit="times",
        why="MACs and predictions are the same. Why it is faster, no record says here; lesson 07 takes a gain apart.",
    ),
    Question(
        "11.wrong_range",
        "The network was trained on numbers from −1 to 1. Somebody gives it the same images as numbers from 0 to 1. "
        "How many per cent of 200 test images are still classified correctly?",
        _right_with_the_wrong_range,
        default=70,
        unit="%",
        why="Black is now 0 in place of −1, and the contrast is halved; which of the two does it, was not measured. "
        "The 95 % confidence interval, 7.4 to 16.1 %, holds the 10 % of a guess.",
    ),
    Question(
        "11.sure_of_noise",
        "You show the network images of pure noise. How probable does it call the class that it predicts, in the "
        "median?",
        _sure_of_noise,
        default=_UNSURE,
        choices=(_UNSURE, _HALF, _SURE),
        why="The softmax turns any ten scores into fractions that add up to 100 %. It knows no “none of these”.",
    ),
    Question(
        "11.gradient_megabytes",
        "Two processes train the full MobileNet V1 (1000 classes). After each step one must hear the other's gradient, "
        "a number of 4 bytes for each of 4,231,976 trained parameters. How many MB is that?",
        lambda: architectures.mobilenet_v1().trainable_params * _BYTES / 1e6,
        default=4.2,
        unit="MB",
        why="As many bytes as the weights themselves, at every step, however small the batch is.",
    ),
)
