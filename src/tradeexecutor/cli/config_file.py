"""The options of a command in a TOML file::

    # live.toml
    strategy = "my_strategy.py"
    state_file = "state.json"
    chain = "base.json"
    rpc = ["https://mainnet.base.org", "https://base.example.org"]
    max_gas_price = 5.0
    check_accounts = true

The names are those of the options, with ``-`` or ``_``. The command line is stronger than the environment, and the
environment is stronger than the file. A file cannot contain the private key.
"""

import tomllib
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ConfigOption"]


def _read(context: typer.Context, path: Path | None) -> Path | None:
    """Make the values of the file the defaults of the command."""
    if path is None:
        return None
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # wrong TOML, or not UTF-8
        raise typer.BadParameter(f"{path} is no TOML: {error}") from None
    known = {parameter.name.rstrip("_"): parameter.name for parameter in context.command.params if parameter.name}
    del known["config"]
    values: dict[str, object] = {}
    for key, value in content.items():
        name = known.get(key.replace("-", "_"))
        if name is None:
            raise typer.BadParameter(f"{path}: there is no option {key}")
        values[name] = value
    context.default_map = {**(context.default_map or {}), **values}
    return path


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help='TOML file with options, e.g. rpc = ["URL"]; those on the command line are stronger.',
        is_eager=True,
        callback=_read,
        show_default=False,
    ),
]
