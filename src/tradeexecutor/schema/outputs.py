"""The generated files, by their path in the repository."""

import json
from collections.abc import Mapping
from pathlib import Path

from tradeexecutor.schema.json_schema import build_state_schema
from tradeexecutor.schema.page import render_page
from tradeexecutor.schema.typescript import render_types, render_zod

__all__ = ["render_outputs", "write_outputs"]


def render_outputs() -> dict[str, str]:
    """Return the text of each generated file, by path."""
    schema = build_state_schema()
    return {
        "clients/typescript/schema/state.schema.json": json.dumps(schema, indent=2) + "\n",
        "clients/typescript/src/generated/types.ts": render_types(schema),
        "clients/typescript/src/generated/schemas.ts": render_zod(schema),
        "docs/schema.md": render_page(schema),
    }


def write_outputs(repository: Path, outputs: Mapping[str, str]) -> None:
    """Write generated files into a checkout."""
    for path, text in outputs.items():
        target = repository / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_outputs(Path(__file__).resolve().parents[3], render_outputs())
