"""What ``tradeexecutor validate`` prints."""

from collections.abc import Sequence

from tradeexecutor.cli.output import Column, format_usd, print_facts, print_line, print_table
from tradeexecutor.operations.validate import Validation

__all__ = ["print_validation", "print_validations"]

#: Length of an explanation in characters above which it is also printed below the table, in full.
_MAX_DETAIL_WIDTH = 55


def print_validation(result: Validation) -> None:
    """Print the checks of one file."""
    print_line(result.path, "bold")
    if result.facts:
        facts = result.facts
        print_facts(
            {
                "Strategy": facts["name"] or "(no name)",
                "Positions": (
                    f"{facts['open_positions']} open, {facts['frozen_positions']} frozen, "
                    f"{facts['pending_positions']} pending, {facts['closed_positions']} closed"
                ),
                "Trades": f"{facts['trades']:,} with {facts['transactions']:,} blockchain transactions",
                "Net asset value": f"{facts['net_asset_value_usd']:,.2f} USD",
            }
        )
    columns = (Column("Check"), Column("Result"), Column("Detail", is_text=True))
    rows = [(check.name, "ok" if check.passed else "FAILED", check.detail) for check in result.checks]
    print_table(columns, rows, ["" if check.passed else "red" for check in result.checks])
    for check in result.checks:
        if not check.passed and len(check.detail) > _MAX_DETAIL_WIDTH:  # the table may have cut it off
            print_line()
            print_line(f"{check.name}: {check.detail}", "red")


_OVERVIEW = (
    Column("File", is_text=True),
    Column("Result"),
    Column("Schema", right=True, priority=2),
    Column("Positions", right=True, priority=3),
    Column("Trades", right=True, priority=4),
    Column("NAV USD", right=True, priority=1),
    Column("Failed checks", priority=5, is_text=True),
)


def print_validations(results: Sequence[Validation]) -> None:
    """Print an overview of several files, and the details of those with problems."""
    rows: list[tuple[str, ...]] = []
    for result in results:
        facts = result.facts
        positions = sum(value for name, value in facts.items() if name.endswith("_positions"))
        rows.append(
            (
                result.path,
                "ok" if result.passed else "FAILED",
                "" if result.schema_version is None else str(result.schema_version),
                str(positions) if facts else "",
                str(facts["trades"]) if facts else "",
                format_usd(facts["net_asset_value_usd"]) if facts else "",
                ", ".join(check.name for check in result.checks if not check.passed),
            )
        )
    print_table(_OVERVIEW, rows, ["" if result.passed else "red" for result in results])
    failed = [result for result in results if not result.passed]
    for result in failed:
        print_line()
        print_validation(result)
    print_line()
    print_line(f"{len(results)} files, {len(failed)} with problems", "bold")
