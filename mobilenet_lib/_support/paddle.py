"""Import Paddle quietly and with all cores, once, for every module that needs it."""

from __future__ import annotations

import contextlib
import io
import os
import warnings

# Paddle sets OMP_NUM_THREADS=1 where it is unset, which leaves every core but one idle.
os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
# Paddle's C++ logging would otherwise write start-up notes to stderr, and so into every notebook.
os.environ.setdefault("GLOG_minloglevel", "2")

# Paddle warns on stderr about threads (which matters for several processes only) and about a missing compiler cache.
with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.filterwarnings("ignore", message="No ccache found")
    try:
        import paddle
    except ModuleNotFoundError as problem:
        if problem.name != "paddle":
            raise
        raise ModuleNotFoundError(
            "PaddlePaddle is not installed, and this part of the course needs it. It has wheels for Python 3.10 to 3.13 on "
            "Linux (x86-64), Windows (x86-64) and macOS (Apple silicon). On such a machine run `uv sync`. "
            "Lessons 01 and 02 compute costs without it.",
            name="paddle",
        ) from problem

# Every batch norm in train mode repeats this note, which says no more than its documentation.
warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")
# A static graph's tensors have no place, and Paddle's own operators ask for it.
warnings.filterwarnings("ignore", message="Tensor do not have 'place' interface")

__all__ = ["paddle"]
