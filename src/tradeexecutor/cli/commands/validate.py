"""``tradeexecutor validate``."""

from typing import Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.output import print_json
from tradeexecutor.cli.printers.validation import print_validation, print_validations
from tradeexecutor.cli.state_file import StateFiles
from tradeexecutor.operations.validate import validate_state

EXAMPLES = (
    "tradeexecutor validate state.json",
    "tradeexecutor validate state/*.json",
    "tradeexecutor validate state.json --json | jq '.[].checks[] | select(.passed | not)'",
)


def validate(
    state_files: StateFiles,
    *,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check state files for damage.

    The checks are: the file can be read, the state is consistent, and saving loses nothing. Nothing is changed. The
    exit code is 1 when a check failed.
    """
    results = [validate_state(path) for path in state_files]
    if json_:
        print_json(results)
    elif len(results) == 1:
        print_validation(results[0])
    else:
        print_validations(results)
    if not all(result.passed for result in results):
        raise typer.Exit(EXIT_FAILURE)
