"""``tradeexecutor schema``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tradeexecutor.cli.output import print_json_text
from tradeexecutor.schema import build_state_schema, select_definition
from tradeexecutor.state.files.durable_file import write_atomically

EXAMPLES = (
    "tradeexecutor schema --output state.schema.json",
    "tradeexecutor schema --definition TradeExecution",
)


def schema(
    *,
    definition: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this class or enum, and what it refers to.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file.", show_default="standard output")
    ] = None,
) -> None:
    """Print the JSON Schema of state files, for programs in other languages.

    The schema is of draft 2020-12 and describes the files that this version
    writes. docs/schema.md shows the same as tables.
    """
    whole = build_state_schema()
    text = json.dumps(whole if definition is None else select_definition(whole, definition), indent=2)
    if output is None:
        print_json_text(text)
    else:
        write_atomically(output, f"{text}\n".encode())
