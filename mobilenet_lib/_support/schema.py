"""Records in JSON files, checked against a JSON schema (Draft 2020-12), with errors that name file and field.

JSON has no NaN and no infinity, and a whole number is not true, false or 1.0: all of these are refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Schema = dict[str, Any]

TEXT, WHOLE, NUMBER, FLAG, ANY_OBJECT = ({"type": one} for one in ("string", "integer", "number", "boolean", "object"))
ADVICE = "Take a good copy of it, or make it again."

_WORDS = {"object": "a record of named fields", "array": "a list", "string": "a text", "null": "null"}
_WORDS |= {"integer": "a whole number", "number": "a finite number", "boolean": "true or false"}


def fields(others: bool = False, /, **properties: Schema) -> Schema:
    """The schema of a record that holds all of these fields; `others` allows fields beside them."""
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": others}


def rows(of: Schema) -> Schema:
    """The schema of a list whose members are all of one form."""
    return {"type": "array", "items": of}


def or_null(schema: Schema) -> Schema:
    """The same schema, where the value may be null as well."""
    return {**schema, "type": [schema["type"], "null"]}


def check(record: Any, schema: Schema, where: str, advice: str = ADVICE) -> None:
    """ValueError, beginning with `where`, for the first thing in `record` that `schema` refuses."""
    problem = next(_validator()(schema).iter_errors(record), None)
    if problem is not None:
        raise ValueError(_sentence(problem, where, advice))


def parse(text: str, schema: Schema, where: str, advice: str = ADVICE) -> Any:
    """The record in a JSON text, checked. ValueError, beginning with `where`, says what is broken or missing."""
    try:
        record = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as problem:
        raise ValueError(f"{where} is not a whole JSON file ({problem}). {advice}") from problem
    check(record, schema, where, advice)
    return record


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


@cache
def _validator() -> type[Validator]:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def finite(value: Any, of: tuple[type, ...]) -> bool:
        return isinstance(value, of) and not isinstance(value, bool) and math.isfinite(value)

    kinds = {"integer": lambda _, value: finite(value, (int,)), "number": lambda _, value: finite(value, (int, float))}
    return extend(Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(kinds))


def _sentence(problem: Any, where: str, advice: str) -> str:
    """What jsonschema found, in the words of the course."""
    found, wanted, path = problem.instance, problem.validator_value, list(problem.absolute_path)
    place = _place(where, path)
    if problem.validator == "required":
        return f"{place}: the field {next(name for name in wanted if name not in found)!r} is missing. {advice}"
    if problem.validator == "additionalProperties":
        expected = problem.schema["properties"]
        unknown = min(found.keys() - expected.keys())
        return f"{place}: the field {unknown!r} is unknown. Expected: {', '.join(expected)}."
    is_field = path and isinstance(path[-1], str)
    subject = f"{_place(where, path[:-1])}: the field {path[-1]!r}" if is_field else place
    if problem.validator == "type":
        kinds = " or ".join(_WORDS[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted))
        return f"{subject} should be {kinds}, not {found!r:.60}. {advice}"
    if problem.validator == "enum":
        return f"{subject} should be one of {', '.join(map(str, wanted))}, not {found!r:.60}. {advice}"
    return f"{subject} does not fit: {problem.message:.200}. {advice}"


def _place(where: str, path: Iterable[str | int]) -> str:
    """`where` and a position in it, such as "run.json, epochs[1]"."""
    inside = ""
    for step in path:
        inside += f"[{step}]" if isinstance(step, int) else f".{step}" if inside else step
    return f"{where}, {inside}" if inside else where
