"""A strategy for tests that trades every kind of instrument, with a second between two events."""

from decimal import Decimal
from typing import Any

from tests.kit.trader import (
    A_USDC,
    ACCOUNT,
    BRIDGE,
    CREDIT,
    DAY,
    FAR_WETH_USDC,
    SECOND,
    SHORT,
    T0,
    USDC,
    V_WETH,
    VAULT,
    WETH_USDC,
)
from tradeexecutor.ledger.entry import Account, AccountKind
from tradeexecutor.ledger.journal import derive
from tradeexecutor.ledger.proof import Finding, Proof, Verdict, prove
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.booking.interest import InterestBatch
from tradeexecutor.state.booking.treasury import (
    EventOrigin,
    book_reserve_correction,
    book_reserve_flow,
    book_vault_flow,
    redeem_in_kind,
)
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType

D = Decimal

#: The smallest amount of the reserve currency.
RAW_UNIT = D("0.000001")


class Driver:
    """Drives a state; every method is one event, or a whole trade."""

    def __init__(self, cash: str | int = 10_000):
        self.state = State(created_at=T0, name="ledger test")
        self.ts = T0
        if cash:
            self.deposit(cash)

    @property
    def reserve(self) -> ReservePosition:
        return self.state.portfolio.get_default_reserve_position()

    def tick(self) -> EventOrigin:
        self.ts += SECOND
        return EventOrigin(self.ts, self.ts)

    # --- Cash

    def deposit(self, amount: str | int) -> BalanceUpdate:
        return book_reserve_flow(self.state, USDC, D(amount), self.tick())

    def redeem(self, amount: str | int) -> BalanceUpdate:
        return book_reserve_flow(self.state, USDC, -D(amount), self.tick())

    def correct_cash(self, amount: str | int) -> BalanceUpdate:
        return book_reserve_correction(self.state, USDC, D(amount), self.tick())

    def sample(self) -> PortfolioStatistics:
        """What a cycle records at its end."""
        self.tick()
        sample = PortfolioStatistics(self.ts, total_equity=0.0, free_cash=self.state.portfolio.get_cash())
        self.state.stats.portfolio.append(sample)
        return sample

    # --- Trades

    def plan(self, pair: TradingPairIdentifier, price: float, **amounts: Any) -> TradeExecution:
        """Plan a trade by its quantity or its reserve."""
        self.tick()
        for name in ("quantity", "reserve"):
            amounts[name] = None if amounts.get(name) is None else D(amounts[name])
        _, trade, _ = self.state.create_trade(
            strategy_cycle_at=self.ts,
            pair=pair,
            assumed_price=price,
            trade_type=TradeType.rebalance,
            reserve_currency=USDC,
            reserve_currency_price=1.0,
            planned_mid_price=price,
            **amounts,
        )
        return trade

    def start(self, trade: TradeExecution) -> TradeExecution:
        self.tick()
        self.state.start_execution(self.ts, trade)
        return trade

    def send(self, trade: TradeExecution) -> TradeExecution:
        """Start and broadcast."""
        self.start(trade)
        self.tick()
        self.state.mark_broadcasted(self.ts, trade)
        return trade

    def succeed(self, trade: TradeExecution, quantity: Any = None, reserve: Any = None, **more: Any) -> TradeExecution:
        """Record success, as planned unless told otherwise."""
        self.tick()
        self.state.mark_trade_success(
            self.ts,
            trade,
            float(trade.planned_price),
            trade.planned_quantity if quantity is None else D(quantity),
            trade.planned_reserve if reserve is None else D(reserve),
            0.0,
            1.0,
            **more,
        )
        return trade

    def fail(self, trade: TradeExecution) -> TradeExecution:
        self.tick()
        self.state.mark_trade_failed(self.ts, trade)
        return trade

    def buy(
        self,
        planned: str | int = 1_000,
        pair: TradingPairIdentifier = WETH_USDC,
        price: float = 2_000.0,
        **done: Any,
    ) -> TradeExecution:
        """Buy for an amount of the reserve; `done` says what was executed otherwise than planned."""
        return self.succeed(self.send(self.plan(pair, price, reserve=planned)), **done)

    def sell(
        self, planned: str, pair: TradingPairIdentifier = WETH_USDC, price: float = 2_000.0, **done: Any
    ) -> TradeExecution:
        """Sell a quantity of the token."""
        return self.succeed(self.send(self.plan(pair, price, quantity=-D(planned))), **done)

    def fail_to_buy(self, reserve: str | int = 1_000) -> TradeExecution:
        return self.fail(self.send(self.plan(WETH_USDC, 2_000.0, reserve=reserve)))

    # --- Loans

    def plan_supply(self, amount: str | int) -> TradeExecution:
        """Plan to supply credit, or to recall it with a negative amount."""
        self.tick()
        _, trade, _ = self.state.supply_credit(
            self.ts, CREDIT, TradeType.rebalance, USDC, 1.0, collateral_quantity=D(amount)
        )
        return trade

    def supply(self, amount: str | int, **done: Any) -> TradeExecution:
        return self.succeed(self.send(self.plan_supply(amount)), **done)

    def plan_short(
        self,
        borrowed: str | None,
        collateral: str | int | None,
        consumption: str | None = None,
        allocation: str | None = None,
        price: float = 2_000.0,
    ) -> TradeExecution:
        """Plan a trade of a short: `borrowed` is negative to borrow more, None to close."""
        self.tick()
        more: dict[str, Any] = {}
        if borrowed is None:
            more = {"closing": True, "flags": {TradeFlag.close}}
        _, trade, _ = self.state.trade_short(
            self.ts,
            SHORT,
            price,
            TradeType.rebalance,
            USDC,
            1.0,
            borrowed_quantity=None if borrowed is None else D(borrowed),
            collateral_quantity=None if collateral is None else D(collateral),
            planned_collateral_consumption=None if consumption is None else D(consumption),
            planned_collateral_allocation=None if allocation is None else D(allocation),
            planned_mid_price=price,
            **more,
        )
        return trade

    def short(self, *amounts: Any, **done: Any) -> TradeExecution:
        """Plan a trade of a short and execute it as planned, but for what `done` says."""
        trade = self.send(self.plan_short(*amounts))
        executed = {
            "executed_collateral_consumption": trade.planned_collateral_consumption,
            "executed_collateral_allocation": trade.planned_collateral_allocation,
        }
        return self.succeed(trade, **(executed | done))

    def accrue(self, position: TradingPosition, asset: AssetIdentifier, gained: str) -> BalanceUpdate:
        """Book interest of one side of a loan."""
        self.ts += DAY
        loan = position.loan
        assert loan is not None
        interest = loan.collateral_interest if loan.collateral.asset == asset else loan.borrowed_interest
        assert interest is not None
        batch = InterestBatch(self.state.portfolio, self.ts, created_at=self.ts)
        batch.add(position, asset, interest.last_token_amount + D(gained), 1.0)
        return batch.book()[0]

    def position_of(self, trade: TradeExecution) -> TradingPosition:
        return self.state.portfolio.get_position_by_id(trade.position_id)


def find(proof: Proof, name: str) -> Finding:
    """The finding with a name; the name may be shortened if it is the only one that begins so."""
    exact = [item for item in proof.findings if item.name == name]
    (finding,) = exact or [item for item in proof.findings if item.name.startswith(name)]
    return finding


def balance(state: State, kind: AccountKind, asset: AssetIdentifier, position_id: int | None = None) -> Decimal:
    """Balance of an account of the journal."""
    return derive(state).get_balance(Account(kind, asset.get_identifier(), position_id))


def assert_balanced(state: State) -> Proof:
    """Everything adds up, now and at all earlier times, and nothing is conserved wrongly."""
    proof = prove(state)
    assert [(item.name, item.difference) for item in proof.findings if item.verdict is not Verdict.balanced] == []
    assert [item.symbol for item in proof.conservation if not item.is_conserved] == []
    return proof


def load_copy(state: State) -> State:
    """The state as a file would give it back, to be damaged."""
    return State.from_json(state.to_json())


def everything() -> State:
    """One position of each kind, loans with interest, and capital in every sort of flight."""
    driver = Driver(50_000)
    driver.sample()
    driver.buy(1_000)
    driver.sell("0.1")
    driver.fail_to_buy(300)
    credit = driver.position_of(driver.supply(4_000))
    short = driver.position_of(driver.short("-1", 1_000, "2000"))
    driver.accrue(credit, A_USDC, "10.5")
    driver.accrue(short, V_WETH, "0.002")
    driver.accrue(short, A_USDC, "3.25")
    driver.supply(-500)
    driver.short("0.25", 0, "-500", "-250")
    account = driver.position_of(driver.buy(500, ACCOUNT, 1.0))
    book_vault_flow(driver.state, account, D("12.5"), driver.tick())
    driver.buy(2_000, BRIDGE, 1.0)
    driver.buy(1_500, FAR_WETH_USDC, 1_000.0)
    shares = driver.position_of(driver.buy(1_000, VAULT, 1.25))
    redeem_in_kind(driver.state, shares, D("1.5"), driver.tick())
    driver.sample()
    waiting = driver.send(driver.plan(VAULT, 1.25, reserve=700))
    driver.state.mark_vault_settlement_pending(driver.tick().happened_at, waiting, {})
    transfer = driver.send(driver.plan(BRIDGE, 1.0, reserve=600))
    driver.state.mark_bridge_in_transit(driver.tick().happened_at, transfer)
    driver.send(driver.plan(WETH_USDC, 2_000.0, reserve=550))
    driver.redeem(25)
    driver.sample()
    return driver.state


TEXT = everything().to_json()
