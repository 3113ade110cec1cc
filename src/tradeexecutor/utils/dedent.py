"""Import path of existing code: texts in source files without their indentation."""

import textwrap

__all__ = ["dedent_any"]


def dedent_any(text: str) -> str:
    r"""Return a text without common indentation; the first line may start at the quotes, without any.

    >>> dedent_any("one\n    two")
    'one\ntwo'
    """
    first, newline, rest = text.partition("\n")
    return first.strip() + newline + textwrap.dedent(rest) if first.strip() else textwrap.dedent(text)
