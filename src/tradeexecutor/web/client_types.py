"""The answers of the web API as TypeScript types and zod schemas, for the package in ``clients/typescript``."""

import inspect
import re
from pathlib import Path
from typing import Any, cast

from tradeexecutor.schema.outputs import write_outputs
from tradeexecutor.schema.source_comments import clean, read_attributes
from tradeexecutor.schema.typescript import render_types, render_zod
from tradeexecutor.web.openapi import make_openapi

__all__ = ["render_client_types"]

Schema = dict[str, Any]

_FOLDER = "clients/typescript/src/generated"


def render_client_types() -> dict[str, str]:
    """Return the text of each generated file, by its path in the repository."""
    components = make_openapi()["components"]["schemas"]
    schema = {"$defs": {name: _describe(item) for name, item in sorted(components.items())}}
    return {
        f"{_FOLDER}/api_types.ts": render_types(schema),
        f"{_FOLDER}/api_schemas.ts": render_zod(schema, "./api_types.js"),
    }


def _describe(definition: Schema) -> Schema:
    """Return a definition whose docstring is split into the texts of its fields."""
    docstring = inspect.cleandoc(definition.get("description", ""))
    entries = read_attributes(docstring)
    properties = {
        key: {**_admit_unknown(item), "description": entries.get(key, "")}
        for key, item in definition.get("properties", {}).items()
    }
    described = {**_admit_unknown(definition), "description": clean(re.split(r"\n\nAttributes\n-+\n", docstring)[0])}
    return {**described, "properties": properties} if properties else described


def _admit_unknown(schema: Any) -> Any:
    """Return a schema that also accepts values of enums that only a newer server knows."""
    if not isinstance(schema, dict):
        return schema
    known = cast(Schema, schema)
    if "enum" in known:
        return {"anyOf": [{"enum": known["enum"]}, {"type": "string"}]}
    if "anyOf" in known:
        members = [_admit_unknown(member) for member in known["anyOf"]]
        flat = [inner for member in members for inner in member.get("anyOf", [member])]
        return {**known, "anyOf": flat}
    return {key: _admit_unknown(item) for key, item in known.items()}


if __name__ == "__main__":
    write_outputs(Path(__file__).resolve().parents[3], render_client_types())
