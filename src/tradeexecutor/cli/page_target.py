"""Checks of the page that a command writes, before the slow work."""

from collections.abc import Sequence
from pathlib import Path

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.operations.state_location import StateLocation

__all__ = ["check_targets"]


def check_targets(sources: Sequence[StateLocation | None], targets: Sequence[Path]) -> None:
    """Raise `CommandFailed` for a file that cannot be written or would replace a state.

    Parameters
    ----------
    sources
        The states that are read; None is ignored.
    targets
        The files to write.
    """
    for target in targets:
        if target.is_dir():
            raise CommandFailed(f"{target} is a folder")
        if not target.absolute().parent.is_dir():
            raise CommandFailed(f"there is no folder {target.parent}")
        for source in sources:
            if isinstance(source, Path) and target.exists() and source.exists() and target.samefile(source):
                raise CommandFailed(f"{target} is the state file: the report would replace it")
