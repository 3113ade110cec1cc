"""A vault whose share holders own the money of a strategy: deposits, redemptions, requests, and their shares."""

from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.ethereum.test_chain_commands import write_chain_file
from tests.ethereum.trader import Trader
from tradeexecutor.cli.main import app
from tradeexecutor.ethereum.abi import ERC20_APPROVE, ERC4626_DEPOSIT, ERC4626_REDEEM, parse_fragment
from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.devchain.anvil import CHAIN_ID
from tradeexecutor.ethereum.devchain.chain import FOREVER
from tradeexecutor.ethereum.errors import WrongChain
from tradeexecutor.ethereum.share_vault import attach_vault
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.chain_balances import fetch_state_balances
from tradeexecutor.operations.check_accounts import check_state_accounts
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.statistics.core import calculate_statistics

D = Decimal
REPORT = parse_fragment("report(uint256)")
SETTLE = parse_fragment("settle(address)")
ASK_DEPOSIT = parse_fragment("requestDeposit(uint256, address, address) returns (uint256)")
ASK_REDEMPTION = parse_fragment("requestRedeem(uint256, address, address) returns (uint256)")


def count(update: BalanceUpdate) -> Decimal:
    """Number of shares after a flow, as it is recorded."""
    return D(str(update.get_share_count()))


class Fund:
    """A vault, the wallet that manages its money, and two share holders with 100,000 USDC each."""

    def __init__(self, trader: Trader, confirmations: int = 3):
        self.chain, self.anvil, self.usdc = trader.chain, trader.chain.anvil, trader.usdc
        self.wallet = self.chain.create_wallet()
        self.vault = self.chain.deploy_managed_vault(self.usdc, "FUND", self.wallet.address)
        self.shares = AssetIdentifier(CHAIN_ID, self.vault.lower(), "FUND", 6)
        self.alice, self.bob = self.anvil.accounts[3:5]
        for holder in (self.alice, self.bob):
            self.chain.mint(self.usdc, holder, D(100_000))
            self.chain.send(self.usdc.address, ERC20_APPROVE, self.vault, FOREVER, sender=holder)
        self.chain.impersonate(self.wallet.address)
        self.chain.send(self.usdc.address, ERC20_APPROVE, self.vault, FOREVER, sender=self.wallet.address)
        self.anvil.mine(20)
        self.connection = self.anvil.connect(confirmations)
        self.sync_model = EthereumSync(self.connection, self.wallet)
        self.state = State(created_at=self.chain.now, name="fund")
        self.sync_model.sync_initial(self.state, reserve_assets=[self.usdc])
        attach_vault(self.state, self.connection, self.vault, self.usdc)

    def deposit(self, holder: str, amount: int) -> None:
        self.chain.send(self.vault, ERC4626_DEPOSIT, amount * 10**6, holder, sender=holder)

    def redeem(self, holder: str, shares: int) -> None:
        self.chain.send(self.vault, ERC4626_REDEEM, shares * 10**6, holder, holder, sender=holder)

    def ask(self, holder: str, *, deposit: int = 0, redemption: int = 0) -> None:
        function, amount = (ASK_DEPOSIT, deposit) if deposit else (ASK_REDEMPTION, redemption)
        self.chain.send(self.vault, function, amount * 10**6, holder, holder, sender=holder)

    def settle(self, holder: str) -> None:
        self.chain.send(self.vault, SETTLE, holder)

    def earn(self, amount: int) -> None:
        """The wallet has earned something, and its manager reports it."""
        self.chain.mint(self.usdc, self.wallet.address, D(amount))
        self.chain.send(self.vault, REPORT, int(self.on_chain * 10**6))

    def confirm(self) -> list[BalanceUpdate]:
        self.anvil.mine(self.connection.confirmations)
        # A process that was restarted in between goes on in the same way.
        self.state = State.from_json(self.state.to_json())
        return self.sync_model.sync_treasury(self.chain.now, self.state, [self.usdc])

    @property
    def on_chain(self) -> Decimal:
        return self.chain.get_balance(self.usdc, self.wallet.address)

    @property
    def entries(self) -> list[Decimal]:
        (reserve,) = self.state.portfolio.reserves.values()
        return [update.quantity for update in reserve.balance_updates.values()]

    def assert_equals_chain(self) -> None:
        state, treasury = self.state, self.state.sync.treasury
        assert state.portfolio.get_cash() == float(self.on_chain)
        supply = int(self.chain.connection.call(self.vault, parse_fragment("totalSupply() returns (uint256)")))
        assert treasury.share_count == self.shares.convert_to_decimal(supply)
        assert prove(state).is_balanced
        settings = ChainFile(Path(), CHAIN_ID, 1, self.usdc, {}, [])
        assert check_state_accounts(state, fetch_state_balances(state, settings, self.connection)).is_clean


@pytest.fixture
def fund(trader: Trader) -> Fund:
    return Fund(trader)


def test_share_holders_come_and_go_and_the_price_of_a_share_follows(fund: Fund):
    fund.deposit(fund.alice, 10_000)
    (first,) = fund.confirm()
    assert (first.quantity, count(first), first.owner_address) == (10_000, 10_000, fund.alice.lower())
    fund.assert_equals_chain()
    fund.earn(1_000)
    fund.deposit(fund.bob, 5_500)
    gift, second = fund.confirm()
    assert (gift.quantity, count(gift)) == (1_000, 10_000)
    assert second.quantity == 5_500
    assert count(second) == pytest.approx(D(15_000), abs=D("0.01"))
    fund.assert_equals_chain()
    fund.redeem(fund.alice, 4_000)
    (left,) = fund.confirm()
    assert left.quantity == pytest.approx(D(-4_400), abs=D("0.01"))
    assert left.owner_address == fund.alice.lower()
    assert count(left) == pytest.approx(D(11_000), abs=D("0.01"))
    fund.assert_equals_chain()
    statistics = calculate_statistics(
        fund.chain.now, fund.state.portfolio, ExecutionMode.real_trading, treasury=fund.state.sync.treasury
    )
    assert statistics.portfolio.share_price_usd == pytest.approx(1.1, abs=1e-5)


def test_several_share_holders_in_one_reading_have_the_number_of_shares_of_their_moment(fund: Fund):
    for holder, amount in ((fund.alice, 1_000), (fund.bob, 2_000), (fund.alice, 500)):
        fund.deposit(holder, amount)
    fund.redeem(fund.bob, 2_000)
    assert [count(update) for update in fund.confirm()] == [1_000, 3_000, 3_500, 1_500]
    fund.assert_equals_chain()


def test_share_holders_in_one_block_are_told_apart(fund: Fund):
    fund.anvil.set_automine(on=False)
    for holder, amount in ((fund.alice, 1_000), (fund.bob, 2_000)):
        data = ERC4626_DEPOSIT.encode((amount * 10**6, holder))
        fund.anvil.rpc("eth_sendTransaction", {"from": holder, "to": fund.vault, "data": data, "gas": hex(300_000)})
    fund.anvil.mine()
    fund.anvil.set_automine(on=True)
    updates = fund.confirm()
    assert len({update.block_number for update in updates}) == 1
    assert sorted((update.quantity, update.owner_address) for update in updates) == [
        (1_000, fund.alice.lower()),
        (2_000, fund.bob.lower()),
    ]
    assert count(updates[0]) == updates[0].quantity
    assert count(updates[1]) == 3_000


def test_shares_that_are_not_final_do_not_count(fund: Fund):
    fund.deposit(fund.alice, 1_000)
    fund.anvil.mine(1)
    assert fund.sync_model.sync_treasury(fund.chain.now, fund.state, [fund.usdc]) == []
    assert fund.state.sync.treasury.share_count == 0
    assert len(fund.confirm()) == 1


@pytest.mark.parametrize("depth", [5, 8])
def test_a_reorganisation_undoes_shares_and_money(fund: Fund, depth: int):
    fund.deposit(fund.bob, 3_000)
    fund.confirm()
    fund.anvil.mine(10)
    fund.deposit(fund.alice, 1_000)
    fund.confirm()
    fund.assert_equals_chain()
    fund.anvil.reorganise(depth)
    fund.anvil.mine(depth)
    (undone,) = fund.confirm()
    assert (undone.quantity, count(undone)) == (-1_000, 3_000)
    fund.assert_equals_chain()
    fund.deposit(fund.alice, 1_500)
    fund.confirm()
    assert fund.entries == [3_000, 1_000, -1_000, 1_500]
    fund.assert_equals_chain()


def test_requests_wait_and_their_settlement_moves_the_money(fund: Fund):
    fund.deposit(fund.bob, 5_000)
    fund.ask(fund.alice, deposit=2_000)
    fund.ask(fund.bob, redemption=1_000)
    assert [update.quantity for update in fund.confirm()] == [5_000]
    treasury = fund.state.sync.treasury
    assert (treasury.pending_deposits, treasury.pending_redemptions) == (2_000, 1_000)
    fund.assert_equals_chain()
    fund.settle(fund.alice)
    (update,) = fund.confirm()
    assert (update.quantity, count(update), update.owner_address) == (2_000, 7_000, fund.alice.lower())
    treasury = fund.state.sync.treasury
    assert (treasury.pending_deposits, treasury.pending_redemptions) == (0, 1_000)
    fund.settle(fund.bob)
    assert [update.quantity for update in fund.confirm()] == [-1_000]
    treasury = fund.state.sync.treasury
    assert (treasury.pending_deposits, treasury.pending_redemptions) == (0, 0)
    assert treasury.managed_vaults[0].requests == []
    fund.assert_equals_chain()


def test_a_request_waits_again_when_a_reorganisation_takes_its_settlement_away(fund: Fund):
    fund.ask(fund.alice, deposit=2_000)
    fund.confirm()
    fund.anvil.mine(30)
    fund.confirm()
    fund.settle(fund.alice)
    fund.confirm()
    assert fund.state.sync.treasury.pending_deposits == 0
    fund.anvil.reorganise(5)
    fund.anvil.mine(5)
    fund.confirm()
    assert fund.state.sync.treasury.pending_deposits == 2_000
    assert fund.entries == [2_000, -2_000]
    fund.assert_equals_chain()


def test_a_vault_of_another_token_is_refused(fund: Fund, trader: Trader):
    other = fund.chain.deploy_managed_vault(trader.market.weth, "OTHER", fund.wallet.address)
    state = State(created_at=fund.chain.now, name="other")
    for address in (other, fund.usdc.checksum_address):
        with pytest.raises(WrongChain, match=r"accepts the token|is no vault"):
            attach_vault(state, fund.connection, address, fund.usdc)
    assert state.sync.treasury.managed_vaults == []


def test_the_command_books_the_vault_and_remembers_it(fund: Fund, trader: Trader, tmp_path: Path):
    write_chain_file(trader, tmp_path)
    place = tmp_path / "state.json"
    fund.state.sync.treasury.managed_vaults = []
    with JSONFileStore(place) as store:
        store.sync(fund.state)
    chain = ["--chain", str(tmp_path / "chain.json"), "--rpc", fund.anvil.url]

    def sync(*options: str) -> str:
        done = CliRunner().invoke(app, ["sync-treasury", str(place), "--yes", *chain, *options])
        return f"{done.exit_code} {' '.join(done.output.split())}"

    fund.deposit(fund.alice, 10_000)
    fund.anvil.mine(3)
    assert sync("--vault", fund.vault).startswith("0")
    fund.deposit(fund.bob, 2_000)
    fund.anvil.mine(3)
    second = sync()
    assert "10,000 before, 12,000 after" in second
    assert "the share holders of the vault" in sync("--vault", fund.usdc.checksum_address)
    assert sync("--vault", "0x12").startswith("2")
    state = State.read_json_file(place)
    assert state.sync.deployment.vault_token_symbol == "FUND"
    assert state.sync.treasury.share_count == 12_000
