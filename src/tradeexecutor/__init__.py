"""The memory of an algorithmic trading strategy, and the tools around it.

Start at :py:class:`tradeexecutor.state.state.State`, the root of the tree. No part of the package is imported here, so
that importing one never pays for the others.
"""

import importlib
import sys

__version__ = "0.2.0"


class _ReferencePaths:
    """Finder that explains imports of modules which only the framework that defined the state has."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> None:
        """Find nothing; raise `NotInThisLibrary` if the module is known."""
        if fullname.startswith("tradeexecutor."):
            importlib.import_module("tradeexecutor.utils.reference_paths").explain_module(fullname)


sys.meta_path.append(_ReferencePaths())  # asked last, when nobody has found the module
