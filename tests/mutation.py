"""Break the library on purpose, one small change at a time, and count which changes its tests notice.

    uv run --with cosmic-ray python tests/mutation.py cost --sample 100 --seed 0

Cosmic Ray makes the changes; they are tried here, in forks of one process that has loaded what the tests need, which
is ten times as fast as its own runner. No file is changed. Changes inside annotations are left out: nothing evaluates
them. MUTATION.md has what was found. Not for Windows, which cannot fork.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The module, and the tests that must notice a change in it.
TARGETS = {
    "cost": ("mobilenet_lib.cost", ["test_cost.py"]),
    "architectures": ("mobilenet_lib.architectures", ["test_architectures.py", "test_papers.py", "test_baselines.py"]),
    "baselines": ("mobilenet_lib.baselines", ["test_baselines.py"]),
    "counting": ("mobilenet_lib.counting", ["test_counting.py"]),
    "layers": ("mobilenet_lib.layers", ["test_models.py", "test_baselines.py"]),
    "papers": ("mobilenet_lib.papers", ["test_papers.py"]),
    "reading": ("mobilenet_lib.course.questions._reading", ["course/test_guesses.py"]),
    "statistics": ("mobilenet_lib.statistics", ["test_statistics.py"]),
    "checking": ("mobilenet_lib.course.exercises._checking", ["course/test_exercises.py"]),
    "values": ("mobilenet_lib.course.exercises._values", ["course/test_exercises.py"]),
    "exercises": ("mobilenet_lib.course.exercises", ["course/test_exercises.py"]),
}
SECONDS_PER_CHANGE = 120
PRELOADED = ("pytest", "hypothesis", "nbval.plugin", "numpy", "pandas", "IPython", "PIL.Image")


def main() -> None:
    """Sample, try and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--sample", type=int, default=100, help="how many changes to try")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no more after")
    options = parser.parse_args()
    module, tests = TARGETS[options.target]
    os.chdir(ROOT)
    os.environ["CI"] = "true"  # hypothesis draws the same examples each time
    for name in (*PRELOADED, *(["paddle"] if options.target == "counting" else [])):
        importlib.import_module(name)

    path = _path(module)
    source = path.read_text(encoding="utf-8")
    possible = changes(source)
    sample = random.Random(options.seed).sample(possible, min(options.sample, len(possible)))
    if not survives(module, path, source, tests):
        sys.exit("the tests fail without any change")
    begin = time.perf_counter()
    survivors, tried = 0, 0
    for operator, occurrence in sample:
        if time.perf_counter() - begin > options.seconds:
            break
        tried += 1
        changed = _changed(source, operator, occurrence)
        if survives(module, path, changed, tests):
            survivors += 1
            print(*_difference(source, changed), sep="\n", end="\n\n", flush=True)
    print(
        f"{options.target}: {tried - survivors} of {tried} changes noticed; {len(possible)} are possible; "
        f"seed {options.seed}; {time.perf_counter() - begin:.0f} s"
    )


def changes(source: str) -> list[tuple[str, int]]:
    """Every change that Cosmic Ray knows outside of annotations: its operator, and its index among equal ones."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    spans = _annotations(source)
    nodes = list(ast_nodes(get_ast(source)))
    found = []
    for name in sorted(plugins.operator_names()):
        kind = plugins.get_operator(name)
        if kind.arguments():  # needs a configuration
            continue
        places = [begin for node in nodes for begin, _ in kind().mutation_positions(node)]
        found += [
            (name, occurrence)
            for occurrence, place in enumerate(places)
            if not any(begin <= place < end for begin, end in spans)
        ]
    return found


def survives(module: str, path: Path, source: str, tests: list[str]) -> bool:
    """Do the tests pass with `source` in the place of the module's text? One that takes too long does not."""
    child = os.fork()
    if not child:
        _try(module, path, source, tests)
    _, status = os.waitpid(child, 0)
    return status == 0


def _try(module: str, path: Path, source: str, tests: list[str]) -> None:
    """In a fork of its own, which ends here."""
    import pytest

    signal.alarm(SECONDS_PER_CHANGE)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    sys.meta_path.insert(0, _Replaced(module, path, source))
    code = 1
    try:
        code = pytest.main(
            ["-x", "-q", "-p", "no:cacheprovider", "--numprocesses=0", *(f"tests/{name}" for name in tests)]
        )
    finally:
        os._exit(int(code))


class _Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a text."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self.name, self.path, self.source = name, path, source

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        package = [str(self.path.parent)] if self.path.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(name, self.path, loader=self, submodule_search_locations=package)

    def exec_module(self, module) -> None:
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)


def _path(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations begin and end, as (line, column)."""
    return [
        ((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset))
        for node in ast.walk(ast.parse(source))
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if isinstance(part, ast.expr)
    ]


def _changed(source: str, operator: str, occurrence: int) -> str:
    from cosmic_ray import mutating, plugins

    return mutating.mutate_code(source, plugins.get_operator(operator)(), occurrence)


def _difference(source: str, changed: str) -> list[str]:
    lines = difflib.unified_diff(source.splitlines(), changed.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++"))]


if __name__ == "__main__":
    main()
