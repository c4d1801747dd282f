# SPDX-License-Identifier: MIT
"""The JSON Schema of ``run.json``, made from the data classes that it is written from.

``python -m pytest_harehearse.report.run_schema`` writes it anew into the package; a test fails when that was forgotten.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parent / "schema" / "run.schema.json"


def made() -> dict[str, Any]:
    """Return the schema, as the data classes are now."""
    from pydantic import TypeAdapter

    from pytest_harehearse.history.summary import SCHEMA, RunSummary

    found = TypeAdapter(RunSummary).json_schema(mode="serialization")
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = f"run.json of pytest-harehearse, schema {SCHEMA}"
    found["properties"]["schema"] = {"const": SCHEMA, "description": "Another number is another format."}
    return found


def text() -> str:
    """Return the schema as it stands in the package."""
    return json.dumps(made(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
