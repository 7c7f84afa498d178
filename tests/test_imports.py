"""The cost half of the course opens at once and without Paddle."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import patience

import mobilenet_lib

ROOT = Path(__file__).resolve().parents[1]

# The modules that may import Paddle. Every other one, a new one too, must do without.
NEED_PADDLE = {
    *("_support.modes", "_support.paddle", "counting", "layers", "models", "training", "weights"),
    *("experiments.recorded.__main__", "experiments.inference"),
    *(f"experiments.speed.{module}" for module in ("ablation", "layer_speed", "measuring", "timing")),
}

# What only an interpreter with PyTorch imports, which is no dependency of the course.
NEED_TORCH = {f"mobilenet_lib.experiments.on_card.{module}" for module in ("calls", "graph", "networks", "training")}

# What costs a second or more, and what a table of layers does not need.
HEAVY = {"IPython", "anywidget", "ipywidgets", "jupyterlab", "matplotlib", "paddle", "pandas", "PIL", "tqdm"}


def _modules() -> list[str]:
    """Every module of the package, those of its sub-packages too, by full name."""
    return [module.name for module in pkgutil.walk_packages(mobilenet_lib.__path__, "mobilenet_lib.")]


def _loaded_after(names: list[str]) -> dict[str, list[str]]:
    """For each name, imported in turn by one new interpreter: the top-level packages loaded by then."""
    program = (
        "import importlib, json, sys\n"
        "loaded = {}\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    loaded[name] = sorted({module.split('.')[0] for module in sys.modules})\n"
        "print(json.dumps(loaded))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=patience()
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _may_import_paddle(name: str) -> bool:
    inner = name.removeprefix("mobilenet_lib.")
    return any(inner == place or inner.startswith(f"{place}.") for place in NEED_PADDLE)


def test_modules_import_without_paddle():
    assert set(_modules()) >= NEED_TORCH
    names = [name for name in _modules() if not _may_import_paddle(name) and name not in NEED_TORCH]
    assert {f"mobilenet_lib.{name}" for name in ("cost", "architectures", "papers", "plots")} <= set(names)
    # Once loaded, Paddle stays: only the first module that has it beside it is known to be at fault.
    guilty = next((name for name, loaded in _loaded_after(names).items() if "paddle" in loaded), None)
    assert guilty is None, f"{guilty} imports Paddle, perhaps through another: do so in the function that needs it"


def test_the_list_of_exceptions_names_only_modules():
    assert {f"mobilenet_lib.{name}" for name in NEED_PADDLE} <= set(_modules())


def test_the_check_sees_a_module_that_imports_paddle():
    assert "paddle" in _loaded_after(["mobilenet_lib._support.paddle"])["mobilenet_lib._support.paddle"]


@pytest.mark.parametrize(
    "name", ["mobilenet_lib", "mobilenet_lib.cost", "mobilenet_lib.architectures", "mobilenet_lib.course.launch"]
)
def test_light_modules_import_no_heavy_package(name):
    assert not HEAVY & set(_loaded_after([name])[name])


def test_each_room_imports_only_from_those_below_it_and_in_no_circle():
    """The contracts stand in pyproject.toml; a new import that breaks one is named with its line."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout
