"""blacklist: tokens that must not be traded are listed, added and removed."""

import dataclasses
import json
from pathlib import Path

import pytest

from tests.kit.changed_files import check_change, check_done, save
from tests.kit.command_runner import Run
from tests.kit.funded_trader import fund
from tests.kit.trader import FAR_CHAIN, LINK, LINK_USDC, USDC, WETH_USDC, Trader
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State

UNKNOWN = "0x" + "AB" * 20


@pytest.fixture
def trader() -> Trader:
    trader = fund()
    trader.buy(LINK_USDC, "10", 10.0)
    trader.buy(WETH_USDC, "1", 10.0)
    return trader


@pytest.fixture
def path(trader: Trader, tmp_path: Path) -> Path:
    return save(trader, tmp_path)


def test_nothing_is_listed(run: Run, path: Path):
    assert "No token is blacklisted." in run("blacklist", path).stdout
    assert json.loads(run("blacklist", path, "--json").stdout) == []


def test_a_token_is_added_listed_and_removed(run: Run, path: Path):
    add = ("--add-token", LINK.address.upper().replace("0X", "0x"), "--reason", "takes a tax")
    state = check_change(run, "blacklist", path, *add)
    assert (state.is_good_pair(LINK_USDC), state.is_good_pair(WETH_USDC)) == (False, True)
    output = check_done(run, "blacklist", path, *add)
    assert f"LINK 1-{LINK.address}: blacklisted." in output
    assert "Position #1 holds it and stays" in output
    listed = run("blacklist", path).stdout
    assert "LINK" in listed
    assert "takes a tax" in listed
    again = run("blacklist", path, *add, "--yes")
    assert again.exit_code == 0
    assert "was blacklisted before" in again.stdout
    assert "Nothing to change." in again.stdout
    state = check_change(run, "blacklist", path, "--remove-token", f"1-{LINK.address}")
    assert state.is_good_pair(LINK_USDC)
    assert state.blacklist_reason == {}


def test_a_token_that_was_never_traded_needs_its_chain(run: Run, path: Path):
    result = run("blacklist", path, "--add-token", UNKNOWN, "--yes")
    assert result.exit_code == 1
    assert "its chain is not known" in result.output
    check_done(run, "blacklist", path, "--add-token", UNKNOWN, "--chain", "1")
    asset = AssetIdentifier(1, UNKNOWN, "NEW", 18)
    state = State.read_json_file(path)
    assert state.asset_blacklist == {f"1-{UNKNOWN.lower()}"}
    assert not state.is_good_pair(dataclasses.replace(LINK_USDC, base=asset))
    check_done(run, "blacklist", path, "--remove-token", UNKNOWN)
    assert State.read_json_file(path).asset_blacklist == set()


def test_an_address_on_two_chains_needs_its_chain(run: Run, trader: Trader, tmp_path: Path):
    trader.state.blacklist_asset(AssetIdentifier(FAR_CHAIN, LINK.address, "LINK", 18))
    trader.state.blacklist_asset(LINK)
    path = save(trader, tmp_path)
    for option in ("--add-token", "--remove-token"):
        result = run("blacklist", path, option, LINK.address, "--yes")
        assert result.exit_code == 1
        assert "Choose the chain with --chain." in result.output
    check_done(run, "blacklist", path, "--remove-token", LINK.address, "--chain", str(FAR_CHAIN))
    assert State.read_json_file(path).blacklisted_assets == {LINK}


def test_bare_addresses_of_old_files(run: Run, trader: Trader, tmp_path: Path):
    trader.state.asset_blacklist.add(LINK.address)
    path = save(trader, tmp_path)
    assert "LINK" in run("blacklist", path).stdout
    assert not State.read_json_file(path).is_good_pair(LINK_USDC)
    state = check_change(run, "blacklist", path, "--remove-token", LINK.address)
    assert state.is_good_pair(LINK_USDC)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--remove-token", USDC.address), 1, "is not blacklisted"),
        (("--add-token", "LINK"), 2, "is not an address"),
        (("--add-token", LINK.address, "--remove-token", LINK.address), 2, "add a token or remove one"),
        (("--reason", "none"), 2, "a reason belongs to --add-token"),
    ],
)
def test_what_is_refused(run: Run, path: Path, options: tuple[str, ...], code: int, text: str):
    before = path.read_bytes()
    result = run("blacklist", path, *options, "--yes")
    assert result.exit_code == code
    assert text in " ".join(result.output.replace("│", " ").split())
    assert path.read_bytes() == before


def test_every_real_file_is_listed(run: Run, state_file: Path):
    assert run("blacklist", state_file).exit_code == 0
    assert isinstance(json.loads(run("blacklist", state_file, "--json").stdout), list)
