"""Questions of lesson 00: start here."""

from __future__ import annotations

from mobilenet_lib import architectures
from mobilenet_lib.course.questions._question import Question

QUESTIONS = (
    Question(
        "00.macs_of_v1",
        "VGG16, a network of 2014, takes 15,470 million MACs to classify one image of 224×224. How many does MobileNet "
        "V1 take, which classifies images nearly as well?",
        lambda: architectures.mobilenet_v1().macs / 1e6,
        default=5000,
        unit="million MACs",
        clues=(r"\b27(?:th| times)",),
        why="Nearly all of its layers filter each channel spatially first and mix the channels afterwards, which "
        "lessons 01 and 02 take apart.",
    ),
    Question(
        "00.weights_of_v1",
        "VGG16 has 138 million weights. How many weights does MobileNet V1 have?",
        lambda: architectures.mobilenet_v1().params / 1e6,
        default=40,
        unit="million weights",
        clues=(r"\b33(?:rd| times)",),
        why="Thin layers and a single fully connected layer hold a 33rd of VGG16's.",
    ),
    Question(
        "00.v2_fraction_of_v1",
        "MobileNet V2 came a year later. How many MACs does it take, in percent of V1's?",
        lambda: 100 * architectures.mobilenet_v2().macs / architectures.mobilenet_v1().macs,
        default=90,
        unit="%",
        why="Its blocks carry few channels from one to the next and are wide only inside, which lesson 06 takes apart.",
    ),
)
