"""The modules `lesson00`, `lesson01`, … of a package, found by their names: a new lesson needs no entry in a list."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType


def lesson_modules(package: str) -> list[ModuleType]:
    """The modules of `package` (its full name, while or after it is imported) that are named "lesson…", in order."""
    found = pkgutil.iter_modules(sys.modules[package].__path__)
    names = sorted(module.name for module in found if module.name.startswith("lesson"))
    return [importlib.import_module(f"{package}.{name}") for name in names]
