"""Numbers as people write them: 1,200 · 1.2e6 · 1.2 million · 120万 · 25 % · 1/128 + 1/9 · ~2×9 · 22.8x."""

from __future__ import annotations

import ast
import operator
import re
import unicodedata
from decimal import Decimal
from fractions import Fraction

from mobilenet_lib.course.questions._question import LARGEST, SMALLEST, number_text

_LONGEST = 60  # characters that are read
_MOST_BITS = 10_000  # of a number on the way; no power may keep the kernel busy

_DIGITS = r"(?:[1-9]\d{0,2}(?:(?P<mark>[,'’_ \u202f])\d{3})(?:(?P=mark)\d{3})*(?!\d)|\d+)(?:\.\d*)?|\.\d+"
_TOKEN = re.compile(
    rf"(?P<number>(?:{_DIGITS})(?:e[+-]?\d{{1,3}})?(?![\d.]))"
    r"|(?P<sign>\*\*|[-+*/^()])|(?P<word>%|[a-zα-ω]+|[^\W\d_])|(?P<other>\S)"
)
_ABOUT = re.compile(
    r"(?:[~≈≃\s]|大?约|(?:about|around|roughly|approximately|approx|circa|ca|maybe|some)(?![a-z])\.?|[x*](?=\s*\d))+"
)
_SIGNS = str.maketrans({**dict.fromkeys("×·⋅∙", "*"), **dict.fromkeys("÷⁄∕", "/"), **dict.fromkeys("−–", "-")})
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

_SCALES = {
    **dict.fromkeys(("k", "thousand", "千"), 10**3),
    **dict.fromkeys(("m", "mio", "million", "millions"), 10**6),
    **dict.fromkeys(("g", "b", "bn", "billion", "billions"), 10**9),
    **{"十": 10, "百": 100, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8},
}
_BYTES = {"b": 1, "byte": 1, "bytes": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_PER_CENT = frozenset({"%", "percent", "pct"})
# Words that may stand behind a number, besides those of its unit.
_FILLERS = frozenset(
    {"x", "times", "fold", "of", "the", "or", "so", "left", "px", "pp", "左", "右", "倍", "个", "個", "次"}
)
_FILLERS |= {"less", "fewer", "more", "param", "params"}
# What says a fraction, a factor or a width in another way: 1 in 32, 22.8×, 4-fold; 7×7 pixels, where a width is asked;
# 3 of 6 or 3/6, where networks of six are counted.
_SAID = ((r"(?<=\d) +in +(?=\d)", "/"), (r"\* *$", " x"), (r"(?<=\d)-fold", " fold"))
_SAID_IN = {
    "pixels": (r"^(\d+) *(?:[*x] *\1|\*\*\(?2\)?|\^2)(?= *(?:$|p))", r"\1"),
    "networks of six": (r"^(\d) *(?:/|of|out of) *(?:6|six)\b", r"\1"),
}
_RANGE = re.compile(r"[\d.,]+ *- *[\d.,]+")

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class SeveralReadings(ValueError):
    """What was typed can mean two numbers. readings: how to write each, so that it is read in one way."""

    def __init__(self, typed: str, readings: tuple[str, str]) -> None:
        super().__init__(f"“{typed}” can be read in two ways: {readings[0]} or {readings[1]}?")
        self.readings = readings


def read_number(text: str, unit: str = "", zero: bool = False) -> int | float:
    """The number that somebody typed, in `unit`: with separators, a scale, its unit, or as a sum, product or fraction.

    zero: can 0 be the answer? ValueError, whose text is for the learner, where there is no such number; SeveralReadings
    where the unit is % and a number below 1 stands without it.
    """
    typed = text.strip()[:_LONGEST]
    if not typed:
        raise ValueError("The field is empty. Type a number, for example 1500, 1.5k or 1.5e3, then press Enter.")
    try:
        plain = _plain(typed, unit)
        value, per_cent = _value(plain, unit)
    except (ValueError, SyntaxError, ArithmeticError, RecursionError, KeyError):
        raise ValueError(
            f"“{typed}” is not a number that can be read here. Write it like 750, 1,500, 0.15, 1.5e6, 1.5M or 1/6, "
            "with a point before decimals. Of a range, give one number."
        ) from None
    if value < 0 and _RANGE.fullmatch(plain):
        raise ValueError(f"“{typed}” is a range. Give one number: the one you would bet on.")
    if not (SMALLEST < value < LARGEST or (zero and value == 0)):
        least = "a number of at least zero" if zero else "a number above zero"
        raise ValueError(f"“{typed}” cannot be the answer: it must be {least}, and not beyond all bounds.")
    if unit == "%" and 0 < value < 1 and not per_cent:
        raise SeveralReadings(typed, (f"{number_text(float(100 * value))} %", f"{number_text(float(value))} %"))
    return int(value) if value.denominator == 1 else float(value)


def _plain(typed: str, unit: str = "") -> str:
    """One way of writing digits, signs and letters, without an "about" before it and a "?" behind it."""
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda found: f"**({found[0].translate(_SUPERSCRIPTS)})", typed)
    text = re.sub("(\\d?)([\u00bc-\u00be\u2150-\u215e])", _mixed, text)
    text = unicodedata.normalize("NFKC", text).lower().translate(_SIGNS).replace("per cent", "percent")
    text = text.rpartition("=")[2].rstrip("?!。. ")
    text = text[found.end() :] if (found := _ABOUT.match(text)) else text
    for form, meant in (*_SAID, *([_SAID_IN[unit]] if unit in _SAID_IN else ())):
        text = re.sub(form, meant, text)
    return text


def _mixed(found: re.Match[str]) -> str:
    """Such as ½, or 1½."""
    part = Fraction(unicodedata.numeric(found[2])).limit_denominator(10)
    return f"{found[1]}+{part}" if found[1] else str(part)


def _value(text: str, unit: str) -> tuple[Fraction, bool]:
    """The number in its unit, and whether it was said to be in per cent."""
    scales = _SCALES | (_BYTES if unit in ("kB", "MB") else {})
    names = {form for word in unit.lower().split() for form in (word, f"{word}s", word.removesuffix("s"))} | _FILLERS
    numbers, formula, scaled, per_cent, ended = [], "", False, False, False
    for token in _TOKEN.finditer(text):
        kind, word = token.lastgroup, token[0]
        scale = scales.get(word) or (word[1:] in names and word[0] in "kmg" and _SCALES[word[0]])
        if kind == "number":
            numbers.append(Fraction(Decimal(re.sub(r"[,'’_ \u202f]", "", word))))
            formula += f" n{len(numbers) - 1} "
        elif kind == "sign":
            formula += "**" if word == "^" else word
        elif word == "x" and numbers and re.match(r"\s*[\d.(]", text[token.end() :]):
            formula += "*"
            continue
        elif word in _PER_CENT and numbers:
            per_cent = True
            numbers[-1] /= 1 if unit in ("%", "percentage points") else 100
        elif scale and numbers and not ended:
            scaled = True
            numbers[-1] *= scale
        elif word in names and numbers:
            ended = True
            continue
        else:
            raise ValueError(f"{word} is no part of a number in {unit}")
        if ended:
            raise ValueError(f"{word} stands behind the unit")
    value = _computed(ast.parse(formula.strip(), mode="eval").body, numbers)
    return value / _in_unit(value, unit, scaled), per_cent


def _in_unit(value: Fraction, unit: str, scaled: bool) -> int:
    """What to divide by: whoever is asked for millions and writes 569M, or 5.69e8, has counted in ones."""
    size = {"million": 10**6, "MB": 10**6, "kB": 10**3}.get(unit.split(" ")[0], 1)
    return size if scaled or (size == 10**6 and value >= size) else 1


def _computed(node: ast.expr, numbers: list[Fraction]) -> Fraction:
    """The value of a formula whose numbers are called n0, n1, …; ValueError for anything but arithmetic."""
    if isinstance(node, ast.Name):
        return numbers[int(node.id[1:])]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
        inner = _computed(node.operand, numbers)
        return -inner if isinstance(node.op, ast.USub) else inner
    if not isinstance(node, ast.BinOp):
        raise ValueError("no arithmetic")
    left, right = _computed(node.left, numbers), _computed(node.right, numbers)
    if isinstance(node.op, ast.Pow):
        if right.denominator != 1 or abs(right) > 100:
            raise ValueError("no such power")
        value = Fraction(left**right)
    else:
        value = _OPERATORS[type(node.op)](left, right)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
        raise ValueError("too large")
    return value
