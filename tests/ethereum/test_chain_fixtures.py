"""The example of docs/live.md, as a user's test."""

import re
from decimal import Decimal
from typing import Any

from tests.support import REPOSITORY
from tradeexecutor.ethereum.devchain.chain import DevChain
from tradeexecutor.testing.chain_fixtures import DevMarket


def test_the_example_of_the_documentation_works(dev_chain: DevChain, dev_market: DevMarket):
    text = (REPOSITORY / "docs" / "live.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"Decimal": Decimal}
    exec(example, names)
    names["test_the_wallet_has_what_it_was_given"](dev_chain, dev_market)


def test_every_test_named_in_the_invariants_exists():
    text = (REPOSITORY / "docs" / "live-invariants.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:tests/ethereum/)?(test_\w+\.py)`", text))
    assert len(named) > 5
    assert {name for name in named if not (REPOSITORY / "tests" / "ethereum" / name).exists()} == set()
