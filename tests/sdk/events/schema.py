"""Validates bodies against the schemas of their types, and each again without one of its fields."""

import copy
import json
import sys

from jsonschema import Draft202012Validator

valid = refused = 0
for number, case in enumerate(json.load(sys.stdin)):
    Draft202012Validator.check_schema(case["schema"])
    validator = Draft202012Validator(case["schema"])
    validator.validate(case["body"])
    valid += 1
    lacking = copy.deepcopy(case["body"])
    fields = sorted(lacking["data"])
    del lacking["data"][fields[number % len(fields)]]
    refused += not validator.is_valid(lacking)
print(f"{valid} valid, {refused} refused without a field")
