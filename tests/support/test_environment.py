"""Versions stand in one place: pyproject.toml. What repeats or follows from it must agree with it."""

from __future__ import annotations

import copy
import re
import sys
from itertools import product
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from mobilenet_lib.course import readiness

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
MACHINES = [  # sys_platform and platform_machine, as in markers, with the names that `platform` gives
    ("linux", "x86_64", "Linux"),
    ("linux", "aarch64", "Linux"),
    ("darwin", "arm64", "Darwin"),
    ("darwin", "x86_64", "Darwin"),
    ("win32", "AMD64", "Windows"),
    ("win32", "ARM64", "Windows"),
]


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lock() -> dict:
    return tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def conda_problems(conda: dict, project: dict) -> list[str]:
    """What in environment.yml could disagree with pyproject.toml."""
    packages = {entry.split("=")[0].strip("<>"): entry for entry in conda["dependencies"] if isinstance(entry, str)}
    pip = [line for entry in conda["dependencies"] if isinstance(entry, dict) for line in entry["pip"]]
    problems = []
    if set(packages) != {"python", "pip"} or pip != ["-e ."]:
        problems.append(
            "name only python, pip and `-e .`: the course's packages and their versions come from pyproject.toml"
        )
    python = packages.get("python", "").partition("=")[2]
    if not python or not SpecifierSet(project["project"]["requires-python"]).contains(python):
        problems.append(f"python={python} is outside requires-python {project['project']['requires-python']}")
    if conda["channels"] != ["conda-forge", "nodefaults"]:
        problems.append(
            "channels must be conda-forge and nodefaults: the default channels have licence terms of their own"
        )
    return problems


def lock_problems(lock: dict, project: dict) -> list[str]:
    """Where uv.lock does not fit pyproject.toml."""
    locked = {package["name"]: package for package in lock["package"]}
    course = locked[project["project"]["name"]]
    problems = []
    if SpecifierSet(lock["requires-python"]) != SpecifierSet(project["project"]["requires-python"]):
        problems.append(f"requires-python: {lock['requires-python']} in the lock")
    pairs = [(project["project"]["dependencies"], course["metadata"]["requires-dist"])]
    for group, wanted in project["dependency-groups"].items():
        pairs.append((wanted, course["metadata"]["requires-dev"].get(group, [])))
    for wanted, known in pairs:
        ours = {_described(Requirement(line)) for line in wanted}
        theirs = {_described(_from_lock(entry)) for entry in known}
        problems += [f"{name}{specifier} differs" for name, specifier, _ in sorted(ours ^ theirs, key=str)]
        for requirement in map(Requirement, wanted):
            name = canonicalize_name(requirement.name)
            if name not in locked or not requirement.specifier.contains(locked[name]["version"]):
                problems.append(f"{requirement} is not met by the locked version")
    return problems


def _from_lock(entry: dict) -> Requirement:
    marker = f"; {entry['marker']}" if "marker" in entry else ""
    return Requirement(f"{entry['name']}{entry.get('specifier', '')}{marker}")


def _described(requirement: Requirement) -> tuple[str, str, tuple[bool, ...]]:
    """Comparable: the name, the versions, and on which machines and Pythons it applies."""
    return (canonicalize_name(requirement.name), str(requirement.specifier), _applies(requirement.marker))


def _applies(marker: Marker | None) -> tuple[bool, ...]:
    found = []
    for python, (system, machine, _) in product(PYTHONS, MACHINES):
        versions = {"python_version": python, "python_full_version": f"{python}.0"}
        here = {**versions, "sys_platform": system, "platform_machine": machine}
        found.append(marker is None or marker.evaluate(here))
    return tuple(found)


def test_environment_yml_takes_everything_from_pyproject(conda, project):
    assert not conda_problems(conda, project)


@pytest.mark.parametrize(
    "dependencies",
    [
        ["python=3.11", "pip>=24", "numpy=2.1", {"pip": ["-e ."]}],
        ["python=3.11", "pip>=24", {"pip": ["-e .", "paddlepaddle==3.0.0"]}],
        ["python=3.14", "pip>=24", {"pip": ["-e ."]}],
        ["python", "pip>=24", {"pip": ["-e ."]}],
        ["python=3.11", "pip>=24"],
    ],
)
def test_an_environment_yml_that_could_drift_is_found(conda, project, dependencies):
    assert conda_problems({**conda, "dependencies": dependencies}, project)


def test_the_default_conda_channels_are_found(conda, project):
    assert conda_problems({**conda, "channels": ["conda-forge"]}, project)


def test_ci_tries_every_python_and_both_ends_of_the_ranges(project):
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    supported = [f"3.{minor}" for minor in range(10, 14)]
    assert project["project"]["requires-python"] == ">=3.10,<3.14"
    assert jobs["locked"]["strategy"]["matrix"]["python"] == supported
    assert jobs["ends"]["strategy"]["matrix"]["include"] == [
        {"python": supported[0], "resolution": "lowest-direct"},
        {"python": supported[-1], "resolution": "highest"},
    ]
    steps = [step.get("run", "") for step in jobs["ends"]["steps"]]
    assert any("--resolution ${{ matrix.resolution }} --group dev" in step for step in steps)


def test_the_lock_fits_pyproject(lock, project):
    assert not lock_problems(lock, project), "run `uv lock` and commit uv.lock"


def test_a_lock_that_does_not_fit_is_found(lock, project):
    raised = copy.deepcopy(project)
    raised["project"]["dependencies"].append("pillow>=99")
    assert any("pillow" in problem for problem in lock_problems(lock, raised))
    dropped = copy.deepcopy(project)
    dropped["dependency-groups"]["dev"].pop()
    assert lock_problems(lock, dropped)
    everywhere = copy.deepcopy(project)
    everywhere["project"]["dependencies"] = [line.split(";")[0] for line in everywhere["project"]["dependencies"]]
    assert any("paddlepaddle" in problem for problem in lock_problems(lock, everywhere))
    newer = copy.deepcopy(project)
    newer["project"]["requires-python"] = ">=3.11,<3.14"
    assert lock_problems(lock, newer)


def test_the_lock_takes_every_package_from_one_public_registry(lock):
    sources = {str(package["source"]) for package in lock["package"]}
    assert len(sources) == 2, f"the course itself and one registry, not {sources}: was it locked with a mirror?"
    assert "{'editable': '.'}" in sources


def test_the_readiness_check_knows_the_pythons(project):
    supported = SpecifierSet(project["project"]["requires-python"])
    known = {python for python in PYTHONS if readiness.check_python(Version(python).release).ok}
    assert known == {python for python in PYTHONS if supported.contains(python)}


def test_the_readiness_check_knows_paddle_and_where_it_has_wheels(project):
    (paddle,) = (one for one in map(Requirement, project["project"]["dependencies"]) if one.name == "paddlepaddle")
    assert str(paddle.specifier) == f"=={readiness.PADDLE_VERSION}"
    for system, machine, name in MACHINES:
        wanted = paddle.marker.evaluate({"sys_platform": system, "platform_machine": machine})
        assert readiness.check_wheel(name, machine).ok == wanted, (name, machine)


def test_the_readmes_two_commands_are_those_of_ci_and_of_the_advice():
    """Learners do without the tests' tools, which uv takes by itself for the second."""
    readme, ci = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", ".ci/run"))
    start, prove = re.findall(r"```sh\n(.+)\n```", readme)[:2]
    assert start == "pip install uv && uv run --no-dev mobilenet-course"
    assert start.removeprefix("pip install uv && ") in readiness._USE_UV
    assert prove == "uv run pytest"
    assert ci.splitlines()[-1].startswith('exec "${uv[@]}" run --locked pytest ')
