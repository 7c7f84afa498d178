"""Paddle, imported quietly and with all cores, for every module that needs it."""

from __future__ import annotations

from mobilenet_lib._support import paddle_import

paddle_import.prepare()
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

__all__ = ["paddle"]
