"""Records are refused with the file, the field, what stood there and what to do; good ones pass."""

from __future__ import annotations

import json
import math
import re

import pytest

from mobilenet_lib._support import schema

ROW = schema.fields(name=schema.TEXT, ms=schema.NUMBER, calls=schema.or_null(schema.WHOLE))
FORM = schema.fields(True, rows={**schema.rows(ROW), "minItems": 1}, kind={"enum": ["quick", "full"]})
GOOD = {"rows": [{"name": "V1", "ms": 1.5, "calls": None}, {"name": "V2", "ms": 2, "calls": 3}], "kind": "full"}


def test_a_good_record_passes_with_fields_beside_it():
    schema.check(GOOD | {"more": 1}, FORM, "f.json")
    assert schema.parse(json.dumps(GOOD), FORM, "f.json") == GOOD


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"ms": math.nan}, "the field 'ms' should be a finite number, not nan. Measure again."),
        ({"ms": math.inf}, "the field 'ms' should be a finite number, not inf. Measure again."),
        ({"ms": True}, "the field 'ms' should be a finite number, not True. Measure again."),
        ({"calls": 3.0}, "the field 'calls' should be a whole number or null, not 3.0. Measure again."),
        ({"name": None}, "the field 'name' should be a text, not None. Measure again."),
        ({"naem": "V1"}, "the field 'naem' is unknown. Expected: name, ms, calls."),
    ],
)
def test_a_wrong_field_is_named_with_its_place(row, message):
    record = {**GOOD, "rows": [GOOD["rows"][0], GOOD["rows"][1] | row]}
    with pytest.raises(ValueError, match=f"^{re.escape(f'f.json, rows[1]: {message}')}$"):
        schema.check(record, FORM, "f.json", "Measure again.")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([1], r"^f\.json should be a record of named fields, not \[1\]"),
        ({"kind": "full"}, r"^f\.json: the field 'rows' is missing\. Take a good copy"),
        ({**GOOD, "rows": []}, r"^f\.json: the field 'rows' does not fit: \[\] should be non-empty"),
        ({**GOOD, "rows": [7]}, r"^f\.json, rows\[0\] should be a record of named fields, not 7"),
        ({**GOOD, "kind": "fast"}, r"^f\.json: the field 'kind' should be one of quick, full, not 'fast'"),
    ],
)
def test_what_is_missing_or_of_another_form_is_named(record, message):
    with pytest.raises(ValueError, match=message):
        schema.check(record, FORM, "f.json")


@pytest.mark.parametrize("text", ["", "{", '{"kind": NaN}', '{"kind": -Infinity}'])
def test_what_is_no_json_is_refused_by_name(text):
    with pytest.raises(ValueError, match=r"^f\.json is not a whole JSON file"):
        schema.parse(text, FORM, "f.json")
