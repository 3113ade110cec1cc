"""A chain of one's own: it starts, it ends, and it can be set back."""

import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from tradeexecutor.ethereum.devchain import packages
from tradeexecutor.ethereum.devchain.chain import DevChain
from tradeexecutor.ethereum.errors import ChainError
from tradeexecutor.testing.chain_fixtures import DevMarket


def test_what_a_test_did_is_undone(dev_chain: DevChain, dev_market: DevMarket):
    before = dev_chain.connection.get_head()
    with dev_chain.restoring():
        dev_chain.mint(dev_market.usdc, dev_chain.owner, Decimal(5))
        assert dev_chain.connection.get_head() != before
    assert dev_chain.connection.get_head() == before


def test_a_price_can_be_set(dev_chain: DevChain, dev_market: DevMarket):
    from tradeexecutor.ethereum.venues.uniswap_v2 import UniswapV2Venue

    venue = UniswapV2Venue(dev_chain.connection, dev_market.exchange.router, dev_market.exchange.factory)
    for price in (2_500, 1_500, 1_500, 2_000):
        dev_chain.set_v2_price(dev_market.exchange, dev_market.pair, Decimal(price))
        assert venue.get_mid_price(dev_market.pair) == pytest.approx(price, rel=0.001)


def test_a_reverted_call_of_the_owner_is_an_error_with_its_reason(dev_chain: DevChain, dev_market: DevMarket):
    with pytest.raises(ChainError, match="ERC20InsufficientBalance"):
        dev_chain.transfer(dev_market.weth, dev_chain.owner, Decimal(1), sender=dev_chain.anvil.accounts[5])


@pytest.mark.slow
def test_a_reorganisation_of_a_long_chain_keeps_what_is_older():
    with DevChain() as chain:
        usdc = chain.deploy_token("USDC", 6)
        chain.mint(usdc, chain.owner, Decimal(5))
        chain.anvil.mine(1_200)
        chain.mint(usdc, chain.owner, Decimal(7))
        chain.anvil.mine(20)
        chain.anvil.reorganise(30)
        assert chain.get_balance(usdc, chain.owner) == 5


@pytest.mark.slow
def test_the_chain_ends_with_a_process_that_was_killed(dev_chain: DevChain):
    if sys.platform != "linux":
        pytest.skip("only Linux tells a process that its parent is gone")
    program = (
        "import time; from tradeexecutor.ethereum.devchain.anvil import Anvil; a = Anvil();"
        "print(a._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _is_running(pid)
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_without_npm_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TRADEEXECUTOR_DEVCHAIN", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(packages.DevChainUnavailable, match="devchain"):
        packages.install_packages()
    assert not list(tmp_path.glob("devchain-*"))


def test_a_failed_install_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TRADEEXECUTOR_DEVCHAIN", str(tmp_path))
    program = [sys.executable, "-c", "import sys; print('no route to the registry', file=sys.stderr); sys.exit(1)"]
    monkeypatch.setattr(packages, "_find_npm", lambda: program)
    with pytest.raises(packages.DevChainUnavailable, match="no route to the registry"):
        packages.install_packages()
    assert not list(tmp_path.glob("devchain-*"))


@pytest.mark.slow
def test_the_reason_of_a_failed_install_is_the_cause_and_not_the_advice_at_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("TRADEEXECUTOR_DEVCHAIN", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(packages.DevChainUnavailable, match=r"reason: connect ECONNREFUSED 127.0.0.1:9$"):
        packages.install_packages()


def test_the_lock_pins_every_package_by_its_hash_and_names_no_index():
    folder = Path(packages.__file__).parent
    lock = json.loads((folder / "package-lock.json").read_text())
    pinned = {name: entry for name, entry in lock["packages"].items() if name}
    wanted = json.loads((folder / "package.json").read_text())
    assert {f"node_modules/{name}" for group in ("dependencies", "optionalDependencies") for name in wanted[group]} <= (
        pinned.keys()
    )
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in pinned.values())


def test_compiled_contracts_belong_to_their_source():
    folder = Path(packages.__file__).parent / "contracts"
    sources = {path.stem for path in folder.glob("*.sol")}
    assert sources == {path.stem for path in folder.glob("*.json")}
    for name in sources:
        compiled = json.loads((folder / f"{name}.json").read_text())
        assert compiled["contractName"] == name
        assert len(compiled["bytecode"]) > 100
