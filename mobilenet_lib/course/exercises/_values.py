"""Values that a learner's function returns: their kind, whether two are the same, and how they are shown."""

from __future__ import annotations

import math
import numbers
import traceback
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

_SMALL = 12  # an array of so many numbers is shown in full
_LONGEST = 200  # characters of a value that are shown


def type_fault(value: Any, returns: str) -> str:
    """What is wrong with the type of a returned value, in words; "" when it will do."""
    if value is None:
        return "Does it end with `return` and the result?"
    if returns == "layer":
        return "Return one Paddle layer, such as `nn.Sequential(...)` or an object of your own `nn.Layer` class."
    if returns == "array":
        if _array(value).dtype.kind not in "iuf":
            return "Return a numpy array of numbers."
    elif returns == "shape":
        is_sequence = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1)
        if not is_sequence or not all(_is_number(number) for number in value):
            return "Return a list of whole numbers, such as `[64, 32, 3, 3]`."
    elif not _is_number(value):
        return f"Return a {returns}."
    return ""


def _array(value: Any) -> np.ndarray:
    """An array, or a list of rows as one; an array of no numbers for all else."""
    try:
        return np.asarray(value if isinstance(value, (np.ndarray, list, tuple)) else None)
    except Exception:  # rows of different lengths, or objects that cannot be one
        return np.asarray(None)


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return isinstance(value, (numbers.Real, Decimal)) and not isinstance(value, bool)


def plain(value: Any, returns: str) -> Any:
    """A value that has no `type_fault` as Python's int or float, or a list of them, or as an array."""
    if returns == "array":
        return _array(value)
    if returns == "shape":
        return [plain(number, "number") for number in value]
    if isinstance(value, (Fraction, Decimal)):
        return _simplest(value)
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value


def _simplest(value: Fraction | Decimal) -> int | float:
    try:
        number = float(value)
        return round(value) if number.is_integer() else number
    except (OverflowError, ValueError):  # beyond all floats, or no number
        return math.nan


def has_float(value: Any) -> bool:
    """Is the value a float, or one of the numbers in it?"""
    parts = value if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) == 1 else [value]
    return any(isinstance(part, (float, np.floating)) for part in parts)


def same(one: Any, other: Any, *, exact: bool = False) -> bool:
    """Equal to 1e-5 of the value or to 1e-6, which float32 can reach; `exact` for counts, also those written as floats.

    Two arrays that are "not a number" at the same indices are the same mistake.
    """
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(same(left, right, exact=exact) for left, right in pairs)
    if one is other or (exact and not has_float(one) and not has_float(other)):
        return bool(one == other)
    try:
        return math.isclose(one, other, rel_tol=1e-9 if exact else 1e-5, abs_tol=0 if exact else 1e-6)
    except (OverflowError, TypeError, ValueError):  # an int beyond all floats, or no number
        return bool(one == other)


def difference(got: Any, right: Any, *, exact: bool) -> str:
    """Where two arrays or lists of one shape first differ, as a sentence with both values; "" for others."""
    if np.ndim(right) == 0 or np.shape(got) != np.shape(right):
        return ""
    for index in np.ndindex(np.shape(right)):
        mine, wanted = (_at(value, index) for value in (got, right))
        if not same(mine, wanted, exact=exact) and not (mine != mine and wanted != wanted):
            shown = index[0] if len(index) == 1 else list(index)
            return (
                f" The first difference is at index {shown}: yours is {described(mine)}, right is {described(wanted)}."
            )
    return ""


def _at(value: Any, index: tuple[int, ...]) -> Any:
    return value[index].item() if isinstance(value, np.ndarray) else value[index[0]]


def described(value: Any) -> str:
    """A value for reading: numbers as people write them, small arrays in full, and the type of what is no number."""
    if isinstance(value, np.ndarray) and value.ndim:
        shown = f": {_numbers(value.tolist())}" if value.size <= _SMALL and value.dtype.kind in "iufb" else ""
        return f"an array of shape {list(value.shape)}{shown}"
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.item()
    known = value is None or isinstance(value, (numbers.Real, Decimal, list, tuple))
    return short_repr(value) + ("" if known else f" ({type(value).__name__})")


def short_repr(value: Any) -> str:
    """The start of `repr(value)`, whatever the value is; floats with seven digits at most."""
    try:
        text = _numbers(value)
    except Exception:  # an int of thousands of digits, or an object with a broken repr
        text = f"a value of type {type(value).__name__} that cannot be shown"
    return shortened(text)


def said(problem: BaseException) -> str:
    """Kind and text of an error, without the hints in which Paddle repeats itself."""
    return "".join(traceback.format_exception_only(problem)).partition("[Hint:")[0].strip()


def kind(value: Any) -> str:
    """What a learner returned in place of a layer."""
    return f"the class `{value.__name__}` itself" if isinstance(value, type) else f"a `{type(value).__name__}`"


def shortened(text: str) -> str:
    """The text, or its beginning where it is long."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "…"


def _numbers(value: Any) -> str:
    """`repr` without numpy's names and without digits that nobody reads."""
    if type(value) is list:
        return f"[{', '.join(_written(value))}]"
    if type(value) is tuple:
        return f"({', '.join(_written(value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (Fraction, Decimal)):
        return str(value)
    return min(repr(value), f"{value:.7g}", key=len) if type(value) is float else repr(value)


def _written(values: list | tuple) -> Iterator[str]:
    return (_numbers(value) for value in values)
