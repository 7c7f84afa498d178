"""A form for a file from the learner's machine, and what the network says to it. Introduced in lesson 11."""

from __future__ import annotations

import base64
import html
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from mobilenet_lib import data, plots
from mobilenet_lib._support import environment
from mobilenet_lib._support.messages import Message
from mobilenet_lib.experiments.shipping import photos

_HERE = Path(__file__).parent

# The connection between a page and its kernel ends at a message of more than 10 MB, and the kernel seems dead.
MOST_BYTES = 9_000_000
_LIGHT = (
    "The ground of this photo is lighter than its object, and the network knows only objects on a darker one. The "
    "button below the figure swaps light and dark."
)


def try_your_own(runtime: Callable[[np.ndarray], np.ndarray], classes: Sequence[str], examples: data.ImageSet) -> None:
    """A form to choose a file and see what the network says; nothing leaves the machine.

    In a run without a reader: the first image of three classes of `examples` in its place.
    """
    if environment.interactive():
        PhotoForm(runtime, classes).show()
        return
    predictions = []
    for label in (1, 5, 8):
        image = examples.images[np.flatnonzero(examples.labels == label)[0]]
        predictions.append(photos.classify(runtime, image, classes, f"a test image:\n{classes[label]}"))
    form = "In a live notebook a form takes your own file here. Below: three test images."
    Message("note", "A form in a live notebook", (form, photos.OUTSIDE)).show()
    plots.show(*photos.prediction_figure(predictions))


class PhotoForm(anywidget.AnyWidget):
    """A button for a file, a box for a light ground, and Python's reply as a page.

    The browser refuses what is too large for the connection, before it sends anything.
    """

    _esm = (_HERE / "photo_form.js").read_text(encoding="utf-8")
    _css = (_HERE / "photo_form.css").read_text(encoding="utf-8")

    most_bytes = traitlets.Int(MOST_BYTES).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    replies = traitlets.Int(0).tag(sync=True)  # how often Python has replied
    offer = traitlets.Bool(False).tag(sync=True)  # to swap light and dark: the ground is lighter

    def __init__(self, runtime: Callable[[np.ndarray], np.ndarray], classes: Sequence[str]) -> None:
        super().__init__()
        self._runtime, self._classes = runtime, tuple(classes)
        self.on_msg(lambda _, content, buffers: self._receive(content, buffers))

    def show(self) -> None:
        """Display the form. A saved notebook keeps a line of text."""
        from IPython.display import display

        data, *_ = self._repr_mimebundle_()
        display(data | {"text/plain": "A form for your own photo. (Run this cell to use it.)"}, raw=True)

    def _receive(self, content: dict[str, Any], buffers: Sequence[Any]) -> None:
        name, self.offer = str(content.get("name") or "the photo")[:80], False
        try:
            page = self._classify(name, content, buffers)
        except (photos.ImageError, FileNotFoundError) as problem:
            page = Message("wrong", "This file cannot be used", (str(problem),)).page
        except Exception as problem:  # else it would be lost in the kernel's log, and the form would stay silent
            page = Message("wrong", "Something went wrong", (f"{type(problem).__name__}: {problem}",)).page
        with self.hold_sync():
            self.said, self.replies = page, self.replies + 1

    def _classify(self, name: str, content: dict[str, Any], buffers: Sequence[Any]) -> str:
        file = bytes(buffers[0]) if buffers else b""
        invert = bool(content.get("invert"))
        image = photos.prepare(file, name, invert=invert)
        self.offer = photos.light_ground(file, name) and not invert
        title = textwrap.shorten(name, 28, placeholder="…")
        prediction = photos.classify(self._runtime, image, self._classes, title)
        fig, alt = photos.prediction_figure([prediction])
        png = base64.b64encode(plots.png(fig)).decode()
        figure = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{png}">'
        first, probability = prediction.top(1)[0]
        told = (_LIGHT, photos.OUTSIDE) if self.offer else (photos.OUTSIDE,)
        verdict = Message("compare", f"{first}, says the network ({100 * probability:.0f} %)", told)
        return verdict.page + figure
