# SPDX-License-Identifier: MIT
"""run.json is as its schema says, and the schema as the data classes are."""

from __future__ import annotations

import json

import jsonschema
import pytest
import samples

from pytest_harehearse.history.rundir import as_json
from pytest_harehearse.report import run_schema


def test_the_schema_in_the_package_is_the_one_of_the_data_classes():
    """Else: python -m pytest_harehearse.report.run_schema"""
    assert run_schema.FILE.read_text(encoding="utf-8") == run_schema.text()


def plain(summary):
    return json.loads(json.dumps(as_json(summary)))


@pytest.mark.parametrize("name", sorted(samples.every()))
def test_every_kind_of_run_is_valid(name):
    """Passed, failed, unknown, killed, with faults and patch days, and with hostile words."""
    jsonschema.Draft202012Validator(run_schema.made()).validate(plain(samples.every()[name]))


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"rehearsals": None}, {"verdict": "GO"}, {"duration": "long"}],
)
def test_what_is_no_run_is_not(change):
    """The schema would be worth nothing if it took everything."""
    run = {**plain(next(iter(samples.every().values()))), **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(run_schema.made()).validate(run)
