"""The bundled photographs: small, readable, with their makers and their licence beside them."""

from __future__ import annotations

import numpy as np
import pytest

from mobilenet_lib import data

SHAPES = {"camera": (1, 200, 200), "coffee": (3, 160, 240)}


@pytest.mark.parametrize("name", data.PHOTOGRAPHS)
def test_a_photograph_is_small_and_says_whose_it_is(name):
    path, pixels = data.PHOTOGRAPHS[name], data.photograph(name)
    assert pixels.shape == SHAPES[name]
    assert pixels.dtype == np.uint8
    assert pixels.std() > 30, "it shows nothing"
    assert path.stat().st_size < 60_000
    for beside in ("README.md", "LICENSE-photographs"):
        assert path.name in path.with_name(beside).read_text(encoding="utf-8"), beside


def test_an_unknown_photograph_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no photograph 'tea'\. Choose one of: camera, coffee"):
        data.photograph("tea")
