"""``tradeexecutor store history``."""

from typing import Annotated

import typer

from tradeexecutor.cli.database_argument import AddressArgument, open_history
from tradeexecutor.cli.output import print_json
from tradeexecutor.cli.printers.revisions import print_history, revision_to_json

EXAMPLES = (
    "tradeexecutor store history sqlite:///trading.db#demo",
    "tradeexecutor store history sqlite:///trading.db#demo --limit 500 | grep closed",
)


def history(
    address: AddressArgument,
    *,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Only the N latest saves.")] = 30,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the saves of a strategy, oldest first, and what changed in each.

    Cash and net asset value are those of the state when it was saved.

    Nothing is changed.
    """
    store, _, _ = open_history(address)
    records = store.history()
    texts = [
        record.summary.describe_since(before and before.summary)
        for before, record in zip([None, *records], records, strict=False)
    ]
    if len(records) and records[0].number > 1:
        texts[0] = "(earlier saves are not kept)"
    shown = list(zip(records, texts, strict=True))[-limit:]
    if json_:
        print_json([{**revision_to_json(record), "what": text} for record, text in shown])
        return
    print_history(shown, len(records) - len(shown))
