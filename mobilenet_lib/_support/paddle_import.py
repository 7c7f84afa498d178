"""What has to happen around the first `import paddle`, wherever it stands: all cores, and no start-up notes.

Paddle takes one thread where OMP_NUM_THREADS is unset, and writes notes to stderr, which a notebook would show and
keep. Both are decided while it is imported, so `prepare` puts a finder before Python's own, for that one import.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import io
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType

from mobilenet_lib._support import environment


def prepare() -> None:
    """Let `import paddle` be quiet and take all cores. Does not import it, and changes nothing where it is loaded."""
    if "paddle" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds Paddle where Python would, and runs its first import in silence."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "paddle":
            return None
        sys.meta_path.remove(self)  # so that the next line asks the others
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)  # who asks may only want to know whether it is installed
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = partial(_run, spec.loader.exec_module)
        return spec


def _run(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    # A plain number, because Paddle reads "4,2" and "" as 1.
    os.environ["OMP_NUM_THREADS"] = str(environment.threads())
    os.environ.setdefault("GLOG_minloglevel", "2")  # for what its C++ part says
    # About threads (which matters for several processes only) and about a missing compiler cache.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.filterwarnings("ignore", message="No ccache found")
        execute(module)
    # Every batch norm in train mode repeats this note, which says no more than its documentation.
    warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")
    # A static graph's tensors have no place, and Paddle's own operators ask for it.
    warnings.filterwarnings("ignore", message="Tensor do not have 'place' interface")
