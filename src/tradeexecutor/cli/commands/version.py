"""``tradeexecutor version``."""

import platform
from typing import Annotated

import typer

from tradeexecutor import __version__
from tradeexecutor.cli.output import print_json, print_line
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION

EXAMPLES = ("tradeexecutor version", "tradeexecutor version --json")


def version(*, json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the version, and which state files it reads."""
    if json_:
        print_json({"version": __version__, "schema_version": SCHEMA_VERSION, "python": platform.python_version()})
        return
    print_line(f"tradeexecutor {__version__}")
    print_line(f"State files: reads schema versions 0 to {SCHEMA_VERSION}, writes {SCHEMA_VERSION}")
    print_line(f"Python {platform.python_version()}")
