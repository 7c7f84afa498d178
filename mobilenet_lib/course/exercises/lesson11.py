"""Exercises of lesson 11: bytes on disk, a network's input, what its scores mean, gradients of several processes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mobilenet_lib.course.exercises._exercise import Arguments, Exercise


def stored_bytes(weights, biases, norm_channels, bits):
    """Bytes on disk of a network; its batch norms have norm_channels channels in all, with four numbers each."""
    return -(-(weights + biases + 4 * norm_channels) * bits // 8)


def network_input(image):
    """An image, uint8 [height, width, 3], as a batch of one: float [1, 3, height, width], from -1 (0) to 1 (255)."""
    values = image.astype("float32") / 127.5 - 1
    return values.transpose(2, 0, 1)[np.newaxis]


def probabilities(scores):
    """Softmax of each row of scores [images, classes], also where a score is 1000."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def joined_gradient(gradients, counts):
    """The gradient over all images; gradients [processes, numbers] are means over counts [processes] images each."""
    return (gradients * counts[:, np.newaxis]).sum(axis=0) / counts.sum()


def _random_image(rng: np.random.Generator) -> Arguments:
    height, width = rng.integers(2, 9, size=2)
    return (rng.integers(0, 256, (height, width + 9, 3), dtype=np.uint8),)


def _random_gradients(rng: np.random.Generator) -> Arguments:
    processes = rng.integers(2, 5)
    counts = rng.choice(np.arange(3, 40), processes, replace=False)
    return rng.normal(size=(processes, 6)), counts


def _unit(image: np.ndarray) -> np.ndarray:
    return image.astype("float32") / 127.5 - 1


def _divided(powers: np.ndarray) -> np.ndarray:
    return powers / powers.sum(axis=1, keepdims=True)


def _quietly(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Numbers beyond all floats are the point of some mistakes, and need no warning."""

    def quiet(scores: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return function(scores)

    return quiet


STORED_BYTES = Exercise(
    prompt="Write how many bytes the numbers of a network take on disk, with `bits` bits for each number.",
    reference=stored_bytes,
    returns="whole number",
    cases=((210_160, 10, 2_736, 32), (4_209_088, 1_000, 10_944, 32), (1_000, 8, 16, 4)),
    random_case=lambda rng: (*(8 * rng.integers(10, 5000, size=3)), rng.choice([8, 16, 32, 64])),
    first_hint="First count numbers, then turn numbers into bytes. Which numbers does a batch norm need when the "
    "network is only used?",
    second_hint="A batch norm has scale and shift, which are learned, and running mean and variance: so four for each "
    "channel. A byte has 8 bits.",
    mistakes={
        "bits_taken_for_bytes": lambda weights, biases, channels, bits: (weights + biases + 4 * channels) * bits,
        "norms_forgotten": lambda weights, biases, channels, bits: (weights + biases) * bits // 8,
        "only_what_is_learned": lambda weights, biases, channels, bits: (weights + biases + 2 * channels) * bits // 8,
        "one_number_a_channel": lambda weights, biases, channels, bits: (weights + biases + channels) * bits // 8,
        "always_32_bits": lambda weights, biases, channels, bits: (weights + biases + 4 * channels) * 4,
        "weights_only": lambda weights, biases, channels, bits: weights * bits // 8,
    },
    messages={
        "bits_taken_for_bytes": "These are bits. A file is measured in bytes, of 8 bits each.",
        "norms_forgotten": "You left out the batch norms. Without their numbers the network makes other predictions.",
        "only_what_is_learned": "You counted what training learns, scale and shift. The running statistics are not "
        "learned by gradients, but in eval mode they are needed.",
        "one_number_a_channel": "You counted one number for each channel of a batch norm. Lesson 03 wrote one out: how "
        "many numbers are in it?",
        "always_32_bits": "You took 4 bytes for each number, whatever `bits` says.",
        "weights_only": "You counted the weights, as the papers do. On disk everything counts that the network needs.",
    },
    minutes=6,
    difficulty=1,
)

NETWORK_INPUT = Exercise(
    prompt="Write what turns an image as a file has it into what the network is given: layout, range and batch.",
    reference=network_input,
    returns="array",
    cases=(
        (np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10,),
        (np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8),),
    ),
    random_case=_random_image,
    first_hint="Three things must change: the order of the axes, the range of the numbers, and the number of axes. "
    "Where does an image of one row and four columns have its colours before, and where after?",
    second_hint="`transpose` moves axes, `reshape` only reads the same numbers in other rows. Divide so that 255 "
    "becomes 2, then take 1 away. `np.newaxis` adds the batch.",
    mistakes={
        "reshaped": lambda image: _unit(image).reshape(1, 3, *image.shape[:2]),
        "height_and_width_swapped": lambda image: _unit(image).T[np.newaxis],
        "from_0_to_1": lambda image: (image.astype("float32") / 255).transpose(2, 0, 1)[np.newaxis],
        "still_0_to_255": lambda image: image.astype("float32").transpose(2, 0, 1)[np.newaxis],
        "from_0_to_2": lambda image: (image.astype("float32") / 127.5).transpose(2, 0, 1)[np.newaxis],
        "from_minus_a_half": lambda image: (image.astype("float32") / 255 - 0.5).transpose(2, 0, 1)[np.newaxis],
        "no_batch": lambda image: _unit(image).transpose(2, 0, 1),
        "colours_last": lambda image: _unit(image)[np.newaxis],
        "colours_reversed": lambda image: _unit(image).transpose(2, 0, 1)[np.newaxis, ::-1],
    },
    messages={
        "reshaped": "The shape is right, and the image is torn to pieces: `reshape` reads the numbers in the order in "
        "which they lie, so that the colours of neighbours get mixed. Move the axes instead.",
        "height_and_width_swapped": "The colours are in front, but the image lies on its side: `.T` turns the order of "
        "all axes round.",
        "from_0_to_1": "Your numbers run from 0 to 1. The network knows black as −1.",
        "still_0_to_255": "Your numbers still run from 0 to 255.",
        "from_0_to_2": "Your numbers run from 0 to 2: the middle grey must become 0.",
        "from_minus_a_half": "Your numbers run from −½ to ½, half of the range that the network knows.",
        "no_batch": "The image is right, but alone: a network takes a batch, so one axis is missing in front.",
        "colours_last": "The colours are still the last axis, as in the file. The network wants them before height and "
        "width.",
        "colours_reversed": "You turned the order of the colours round: blue where red belongs. Some libraries read "
        "images so; this one does not.",
    },
    minutes=10,
    difficulty=2,
)

PROBABILITIES = Exercise(
    prompt="Write the softmax of each image's scores, so that no score is too large for it.",
    reference=probabilities,
    returns="array",
    cases=(
        (np.array([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0]]),),
        (np.array([[1000.0, 1001.0, 999.0], [5.0, 0.0, 7.0]]),),
        (np.array([[-2000.0, -1997.0, -2002.0, -1999.0]]),),
        (np.array([[0.0, 20000.0, -1000.0, 5.0]]),),
    ),
    random_case=lambda rng: (rng.normal(scale=3, size=(rng.integers(2, 5), 10)),),
    first_hint="Make every score positive with the exponential function, then divide by the sum of its row. What is e "
    "to the power of 1000? And does the result change when you take the same number away from all scores of a row?",
    second_hint="Take the largest score of a row away from all of its scores first: the largest power is then 1. "
    "`axis=1` goes along a row, and keepdims=True keeps the shape fit for a division.",
    mistakes={
        "overflow": _quietly(lambda scores: _divided(np.exp(scores))),
        "mean_subtracted": _quietly(lambda scores: _divided(np.exp(scores - scores.mean(axis=1, keepdims=True)))),
        "largest_of_all": _quietly(lambda scores: _divided(np.exp(scores - scores.max()))),
        "fractions_of_the_scores": _quietly(_divided),
        "over_the_images": lambda scores: _divided(np.exp(scores - scores.max(axis=0)).T).T,
        "over_everything": lambda scores: np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum(),
        "not_divided": lambda scores: np.exp(scores - scores.max(axis=1, keepdims=True)),
        "winner_takes_all": lambda scores: (scores == scores.max(axis=1, keepdims=True)).astype(float),
        "sigmoid": _quietly(lambda scores: 1 / (1 + np.exp(-scores))),
        "powers_of_two": lambda scores: _divided(2 ** (scores - scores.max(axis=1, keepdims=True))),
    },
    messages={
        "overflow": "Right for small scores, but the power of 1000 is more than a floating-point number can hold, and "
        "infinity divided by infinity is not a number. Softmax does not change when all scores of a row sink by the "
        "same amount: use that.",
        "mean_subtracted": "What you took away from a row (its mean, or nothing) may lie so far below the largest "
        "score that its power is more than a floating-point number can hold. Which number keeps every power at 1 or "
        "below?",
        "largest_of_all": "You took the largest of all scores away. A row that lies far below it becomes 0 divided by "
        "0: each row needs a number of its own.",
        "fractions_of_the_scores": "You divided the scores by their sum. Scores may be negative, and then so are your "
        "probabilities.",
        "over_the_images": "You summed down the columns, over the images. Each image's own probabilities must add up "
        "to 1.",
        "over_everything": "You divided by the sum over all images. Each image's own probabilities must add up to 1.",
        "not_divided": "These are the powers, of which the largest is 1. Do they add up to 1?",
        "winner_takes_all": "You gave everything to the highest score. Softmax also says how far behind the others "
        "are.",
        "sigmoid": "This is the sigmoid, which judges each class by itself. The classes of a softmax share 1 among "
        "them.",
        "powers_of_two": "You took powers of 2. Softmax takes powers of e, because the training's loss does.",
    },
    minutes=9,
    difficulty=2,
)

JOINED_GRADIENT = Exercise(
    prompt="Write the gradient of the mean loss over all images, from the gradients of several processes, each a mean "
    "over its own images.",
    reference=joined_gradient,
    returns="array",
    cases=(
        (np.array([[1.0, 2.0], [4.0, -1.0]]), np.array([3, 1])),
        (np.array([[2.0, 0.0, 1.0], [0.0, 6.0, 1.0], [1.0, 3.0, 4.0]]), np.array([10, 20, 30])),
    ),
    random_case=_random_gradients,
    first_hint="A mean over 3 images and one of 1 image: how much should each image count in the mean over all 4?",
    second_hint="Turn each mean back into a sum by its number of images, add the sums up, and divide once by the "
    "number of all. `np.newaxis` makes a column of the counts.",
    mistakes={
        "plain_mean": lambda gradients, counts: gradients.mean(axis=0),
        "summed": lambda gradients, counts: gradients.sum(axis=0),
        "not_divided": lambda gradients, counts: counts @ gradients,
        "divided_by_the_processes": lambda gradients, counts: counts @ gradients / len(counts),
        "divided_by_the_counts": lambda gradients, counts: (gradients / counts[:, None]).sum(axis=0),
        "largest_part_only": lambda gradients, counts: gradients[counts.argmax()],
    },
    messages={
        "plain_mean": "You took the plain mean of the processes. That is right where all have equally many images; "
        "here an image of the smaller part would count for more.",
        "summed": "You added the gradients up. With more processes each step would become longer.",
        "not_divided": "This is the sum over all images. The loss is their mean.",
        "divided_by_the_processes": "You turned the means into sums, which is right, and then divided by the number of "
        "processes. How many images are there?",
        "divided_by_the_counts": "You divided each gradient by its number of images. It is a mean already.",
        "largest_part_only": "You kept the gradient of the largest part. The other processes have worked for nothing.",
    },
    minutes=10,
    difficulty=2,
)

EXERCISES = (STORED_BYTES, NETWORK_INPUT, PROBABILITIES, JOINED_GRADIENT)
