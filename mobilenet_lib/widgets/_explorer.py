"""What all explorers share: the live view, the static twin, and settings that are checked."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
import traitlets

from mobilenet_lib import plots
from mobilenet_lib._support import environment
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib.cost import conv2d

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_HERE = Path(__file__).parent
_SHARED = ("arithmetic.js", "controls.js")
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)


def module(name: str) -> str:
    """The JavaScript of one explorer as a single ES module, which a widget or a page can load.

    The shared parts come first, then what the file imports besides; the imports between the files are left out.
    """
    imported = _IMPORT.findall((_HERE / f"{name}.js").read_text(encoding="utf-8"))
    return "\n".join(
        _IMPORT.sub("", (_HERE / file).read_text(encoding="utf-8"))
        for file in dict.fromkeys((*_SHARED, *imported, f"{name}.js"))
    )


class Explorer(anywidget.AnyWidget):
    """A widget with a static twin. Its settings are attributes, in Python and in the browser.

    Setting one to something impossible raises traitlets.TraitError, with the reason (ValueError where it is made).
    """

    name: ClassVar[str]
    limits: ClassVar[dict[str, tuple[int, int]]]  # smallest and largest value of each number
    _css = (_HERE / "explorers.css").read_text(encoding="utf-8")

    def __init__(self, **settings: Any) -> None:
        super().__init__(**self._checked(settings))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, as the sliders stand now."""
        return {name: getattr(self, name) for name in self.limits}

    def figure(self) -> tuple[Figure, str]:
        """The present settings drawn, and the same in words (its alternative text)."""
        raise NotImplementedError

    def frame(self) -> pd.DataFrame:
        """The numbers of the present settings."""
        raise NotImplementedError

    def static(self) -> None:
        """Display the figure and the table, which stand for the live view on pages and in tests."""
        from IPython.display import publish_display_data

        plots.show(*self.figure())
        table = self.frame().map(_written)
        # With the name and the settings, so that a page can put the live explorer here.
        settings = html.escape(json.dumps(self.settings))
        page = (
            f'<div data-explorer="{self.name}" data-settings="{settings}" style="overflow-x: auto">'
            f"{table.to_html(border=0)}</div>"
        )
        publish_display_data({"text/html": page, "text/plain": table.to_string()})

    def __repr__(self) -> str:
        given = {name: value for name, value in self.settings.items() if value not in ("", [])}
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if not environment.interactive():
            self.static()
            return
        data, metadata = self._repr_mimebundle_()
        # What stays in a saved notebook when the live view is gone.
        data["text/plain"] = f"{self!r} (Run this cell to use it.)"
        display(data, metadata=metadata, raw=True)

    @classmethod
    def _checked(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings with plain ints; ValueError where a number is none, or beyond its limit."""
        checked = dict(settings)
        for name, (least, most) in cls.limits.items():
            checked[name] = whole_number(name, settings[name], least)
            if checked[name] > most:
                raise ValueError(f"{name} can be at most {most} in {cls.name}, not {settings[name]}")
        return checked

    def _accept(self, proposal: traitlets.Bunch) -> Any:
        """The proposed value of one setting, if it is possible together with the others."""
        name = proposal.trait.name
        try:
            return self._checked({**self.settings, name: proposal.value})[name]
        except ValueError as problem:
            raise traitlets.TraitError(str(problem)) from problem


def sliders(limits: dict[str, tuple[int, int]], *checked: str) -> dict[str, Any]:
    """What an explorer's class holds for its `limits`: a synchronised whole number each, and their common validation.

    checked: settings of other kinds that are validated with them. A class takes them in by `vars().update`.
    """
    numbers = {name: traitlets.Int().tag(sync=True) for name in limits}
    return {**numbers, f"_possible_{next(iter(limits))}": traitlets.validate(*limits, *checked)(Explorer._accept)}


class LayerExplorer(Explorer):
    """An explorer of one layer: its `limits` are named like the arguments of `cost.conv2d`."""

    @classmethod
    def _checked(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Also a ValueError for numbers that no layer can have."""
        settings = super()._checked(settings)
        conv2d(**{name: settings[name] for name in cls.limits})
        return settings


def _written(value: Any) -> str:
    """A table's cell in words: 12,345 or 128×112×112."""
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)
