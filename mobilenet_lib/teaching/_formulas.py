"""Formulas as MathML, which every current browser draws by itself: for the pages written here and for the site."""

from __future__ import annotations

import re
from xml.etree import ElementTree

_MATHML = "http://www.w3.org/1998/Math/MathML"
_PRIMES = re.compile(r"(?<=\w)'+")


def mathml(tex: str, block: bool) -> str:
    """A formula as MathML; block: on lines of its own.

    Docutils puts the words at a brace beside it, as an index; they belong under or over it. Raises docutils' MathError
    for a command that it does not know.
    """
    from docutils.utils.math.latex2mathml import tex2mathml

    tex = _PRIMES.sub(lambda found: "^{" + r"\prime" * len(found[0]) + "}", tex)
    ElementTree.register_namespace("", _MATHML)
    root = ElementTree.fromstring(tex2mathml(tex, as_block=block))
    for script, brace in (("msub", "munder"), ("msup", "mover")):
        for element in root.iter(f"{{{_MATHML}}}{script}"):
            if element[0].tag == f"{{{_MATHML}}}{brace}":
                element.tag = f"{{{_MATHML}}}{brace}"
    for element in root.iter():
        element.text = element.text and element.text.strip()
        element.tail = None
    return ElementTree.tostring(root, encoding="unicode")
