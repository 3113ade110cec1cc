"""One object of each class of the tree, every field filled with a value that is not its default."""

import datetime
from decimal import Decimal
from typing import Any

from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.benchmark import Benchmark
from tradeexecutor.state.blockchain_transaction import (
    BlockchainTransaction,
    BlockchainTransactionType,
    JSONAssetDelta,
)
from tradeexecutor.state.cycle_duration import TimeBucket
from tradeexecutor.state.deployment_info import DeploymentInfo, DeploymentInfoChange
from tradeexecutor.state.identifier import (
    AssetIdentifier,
    AssetType,
    AssetWithTrackedValue,
    TradingPairIdentifier,
    TradingPairKind,
)
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.interest_distribution import (
    AssetInterestData,
    InterestDistributionEntry,
    InterestDistributionOperation,
)
from tradeexecutor.state.loan import Loan, LoanSide
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.pickle_over_json import (
    HexBytes,
    SignedTransactionWithNonce,
)
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceState
from tradeexecutor.state.size_risk import SizeRisk, SizingType
from tradeexecutor.state.statistics import (
    FinalPositionStatistics,
    PortfolioStatistics,
    PositionStatistics,
    Statistics,
)
from tradeexecutor.state.sync import (
    Accounting,
    BalanceEventRef,
    Deployment,
    InterestSync,
    ManagedVault,
    ScannedBlock,
    Sync,
    Treasury,
    VaultRequest,
)
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.trade_summary import TradeSummary
from tradeexecutor.state.trigger import Trigger, TriggerCondition, TriggerType
from tradeexecutor.state.uptime import Uptime
from tradeexecutor.state.valuation import ValuationUpdate
from tradeexecutor.state.visualisation import Plot, PlotKind, PlotLabel, PlotShape, RecordingTime, Visualisation

T0 = datetime.datetime(2024, 5, 1, 12, 30)
#: With microseconds, which must survive.
T1 = datetime.datetime(2024, 5, 2, 0, 0, 1, 250_000)
DAY = datetime.timedelta(days=1)

USDC = AssetIdentifier(1, "0x" + "1" * 40, "USDC", 6)
WETH = AssetIdentifier(1, "0x" + "2" * 40, "WETH", 18)
PAIR = TradingPairIdentifier(WETH, USDC, "0x" + "3" * 40, "0x" + "4" * 40, internal_id=7, fee=0.003)

AUSDC = AssetIdentifier(
    1, "0x" + "a" * 40, "aUSDC", 6, underlying=USDC, type=AssetType.collateral, liquidation_threshold=0.85
)
VWETH = AssetIdentifier(1, "0x" + "b" * 40, "vWETH", 18, underlying=WETH, type=AssetType.borrowed)
SHORT = TradingPairIdentifier(
    VWETH, AUSDC, PAIR.pool_address, PAIR.exchange_address, kind=TradingPairKind.lending_protocol_short,
    underlying_spot_pair=PAIR,
)  # fmt: skip


def trigger(**changes: Any) -> Trigger:
    return Trigger(
        **{
            "type": TriggerType.take_profit_partial,
            "condition": TriggerCondition.cross_above,
            "price": 1.5,
            "triggering_at": T0,
            "triggering_at_delta": datetime.timedelta(hours=2, microseconds=1),
            "expires_at": T1,
            "expired_at": T1,
            "triggered_at": T0,
        }
        | changes
    )


def size_risk(**changes: Any) -> SizeRisk:
    return SizeRisk(
        **{
            "timestamp": T1,
            "pair": PAIR,
            "sizing_type": SizingType.sell,
            "path": [PAIR],
            "capped": True,
            "block_number": 9,
            "mid_price": 2000.0,
            "avg_price": 2001.0,
            "asked_quantity": Decimal("2.50"),
            "asked_size": 5000.0,
            "accepted_quantity": Decimal("1.25"),
            "accepted_size": 2500.0,
            "diagnostics_data": {"tvl": 1.0, "cap_pct": 0.5},
            "tvl": 1e6,
        }
        | changes
    )


def trade_pricing(**changes: Any) -> TradePricing:
    return TradePricing(
        **{
            "price": 101.0,
            "mid_price": 100.0,
            "lp_fee": [0.5, None],
            "token_tax": 0.1,
            "token_tax_percent": 0.01,
            "pair_fee": [0.003, 0.01],
            "market_feed_delay": datetime.timedelta(seconds=90),
            "side": True,
            "path": [PAIR],
            "read_at": T1,
            "block_number": 3,
            "token_in": Decimal("1E-18"),
            "token_out": Decimal("1000.00"),
        }
        | changes
    )


def valuation_update() -> ValuationUpdate:
    return ValuationUpdate(1, T0, T1, 10.0, 5.0, 9.0, 4.5, 77, True, Decimal("2.0"))


def balance_update(**changes: Any) -> BalanceUpdate:
    return BalanceUpdate(
        **{
            "balance_update_id": 1,
            "cause": BalanceUpdateCause.deposit,
            "position_type": BalanceUpdatePositionType.reserve,
            "asset": USDC,
            "block_mined_at": T1,
            "strategy_cycle_included_at": T1,
            "chain_id": 1,
            "quantity": Decimal("100.0"),
            "old_balance": Decimal("0E-25"),
            "usd_value": 100.0,
            "created_at": T1,
            "previous_update_at": T0,
            "owner_address": "0xInvestor",
            "tx_hash": "0xAB",
            "log_index": 17,
            "position_id": 3,
            "notes": "note",
            "block_number": 5,
            "other_data": {"share_count": "12.5"},
        }
        | changes
    )


def blockchain_transaction() -> BlockchainTransaction:
    return BlockchainTransaction(
        type=BlockchainTransactionType.lagoon_vault,
        chain_id=1,
        from_address="0xFrom",
        contract_address="0xTo",
        function_selector="swap",
        transaction_args=("0xabc", 2**255, b"\x01"),
        wrapped_target="0xTarget",
        wrapped_function_selector="inner",
        wrapped_args=[1, [2, 3]],
        tx_hash="0x12",
        nonce=4,
        details={"gas": 21_000, "maxFeePerGas": 30_000_000_000},
        signed_bytes="0x02ff",
        signed_tx_object="80044e2e",
        broadcasted_at=T0,
        included_at=T1,
        block_number=10,
        block_hash="0x99",
        status=False,
        realised_gas_units_consumed=20_000,
        realised_gas_price=25,
        revert_reason="TRF",
        stack_trace="trace",
        asset_deltas=[JSONAssetDelta(USDC.address, "-1000000")],
        args=("1", ["2"], True, None),
        other={"adjusted_reserve_amount": "1"},
        notes="note",
        extra_sleep=1.5,
    )


def interest(amount: str, accrued: str = "0", payments: str = "0") -> Interest:
    total = Decimal(amount) + Decimal(accrued) - Decimal(payments)
    return Interest(Decimal(amount), total, T0, T1, Decimal(accrued), 8, Decimal(payments), T0)


def tracker(asset: AssetIdentifier, quantity: str, price: float) -> AssetWithTrackedValue:
    return AssetWithTrackedValue(asset, Decimal(quantity), price, T0, T0, T1, 0.05, 0.06)


def loan(**interests: str) -> Loan:
    """2000 aUSDC of collateral, 0.5 vWETH of debt at 2000 USD."""
    return Loan(
        SHORT,
        tracker(AUSDC, "2000", 1.0),
        interest("2000", interests.get("collateral", "0"), interests.get("claimed", "0")),
        tracker(VWETH, "0.5", 2000.0),
        interest("0.5", interests.get("debt", "0"), interests.get("repaid", "0")),
    )


def credit() -> Loan:
    """1000 aUSDC supplied."""
    return Loan(SHORT, tracker(AUSDC, "1000", 1.0), interest("1000"))


def position() -> TradingPosition:
    return TradingPosition(1, SHORT, T0, T1, 2000.0, 1.0, USDC, loan=loan())


def interest_distribution() -> InterestDistributionOperation:
    entry = InterestDistributionEntry(LoanSide.borrowed, position(), tracker(VWETH, "0.5", 2000.0), Decimal("0.4"), 2.0)
    data = AssetInterestData(Decimal("0.5"), 0.07, [entry])
    return InterestDistributionOperation(T0, T1, {VWETH, AUSDC}, {VWETH.get_identifier(): data}, [entry], {1: 0.5})


def balance_event_ref() -> BalanceEventRef:
    return BalanceEventRef.from_balance_update_event(balance_update())


def sync() -> Sync:
    return Sync(
        Deployment(ChainId.base, "0xVault", 10, "0xhash", T0, "Vault", "VLT", T1),
        Treasury(
            T0,
            T1,
            11,
            [balance_event_ref()],
            5.0,
            6.0,
            12,
            Decimal("7.10"),
            [ScannedBlock(11, "0xhash")],
            [ManagedVault("0xvault", 18, [VaultRequest("7", "0xinvestor", is_redemption=True)])],
        ),
        Accounting(T1, 13, [balance_event_ref()]),
        InterestSync(T1, 14, interest_distribution()),
    )


def trade_summary(**changes: Any) -> TradeSummary:
    fields: dict[str, Any] = {
        "won": 6,
        "lost": 3,
        "zero_loss": 1,
        "stop_losses": 2,
        "undecided": 4,
        "realised_profit": 50.0,
        "open_value": 700.0,
        "uninvested_cash": 500.0,
        "initial_cash": 1000.0,
        "extra_return": 1.0,
        "duration": datetime.timedelta(days=73),
        "average_winning_trade_profit_pc": 0.1,
        "average_losing_trade_loss_pc": -0.05,
        "biggest_winning_trade_pc": 0.2,
        "biggest_losing_trade_pc": -0.1,
        "average_duration_of_winning_trades": DAY,
        "average_duration_of_losing_trades": DAY,
    }
    return TradeSummary(**fields | changes)


def full_trade_summary() -> TradeSummary:
    """Every field that has a default gets another value of its type."""
    summary = trade_summary(time_bucket=TimeBucket.h1, delta_neutral=2, take_profits=3)
    numbers = iter(range(100, 1000))
    for name, hint in TradeSummary.__annotations__.items():
        if getattr(summary, name) in (None, 0, 0.0):
            text = str(hint)
            if name in ("daily_returns", "compounding_returns"):
                setattr(summary, name, [0.01, -0.02])
            elif name.endswith("_at"):
                setattr(summary, name, T1)
            elif name.startswith("average_duration_of") or name == "average_duration_between_position_openings":
                setattr(summary, name, DAY)
            else:
                setattr(summary, name, next(numbers) if "int" in text else next(numbers) + 0.5)
    summary.__post_init__()
    return summary


def position_statistics(**changes: Any) -> PositionStatistics:
    return PositionStatistics(
        **{
            "calculated_at": T1,
            "last_valuation_at": T0,
            "profitability": 0.1,
            "profit_usd": 1.0,
            "quantity": 2.0,
            "value": 3.0,
            "internal_share_price": 1.1,
            "internal_total_supply": 4.0,
            "internal_profit_pct": 0.2,
            "internal_profit_usd": 5.0,
            "underlying_price": 6.0,
        }
        | changes
    )


def portfolio_statistics(**changes: Any) -> PortfolioStatistics:
    return PortfolioStatistics(
        **{
            "calculated_at": T1,
            "total_equity": 100.0,
            "net_asset_value": 101.0,
            "unrealised_profitability": 0.5,
            "share_count": Decimal("10.50"),
            "share_price_usd": 1.1,
            "free_cash": 50.0,
            "open_position_count": 1,
            "open_position_equity": 51.0,
            "frozen_position_count": 2,
            "frozen_position_equity": 2.0,
            "closed_position_count": 3,
            "unrealised_profit_usd": 4.0,
            "first_trade_at": T0,
            "last_trade_at": T1,
            "realised_profit_usd": 5.0,
            "summary": trade_summary(),
        }
        | changes
    )


def final_position_statistics() -> FinalPositionStatistics:
    return FinalPositionStatistics(T1, 2, 10.0, 12.0)


def statistics() -> Statistics:
    return Statistics(
        [portfolio_statistics()],
        {1: [position_statistics()]},
        {2: final_position_statistics()},
        {"live_stats": {"rows": {}}, "backtested_stats": {}},
    )


def share_price_state() -> PositionInternalSharePriceState:
    return PositionInternalSharePriceState(1.1, 100.0, 10.0, 100.0, 110.0, 2.0, T1)


def plot() -> Plot:
    return Plot(
        "ema <1>", PlotKind.technical_indicator_overlay_on_detached, "red", {1_700_000_000: 1.5, 1_600_000_000: None},
        PlotShape.markers, "rsi", 2.5, RecordingTime.market_time, PAIR, PlotLabel.hidden, 100,
    )  # fmt: skip


def visualisation() -> Visualisation:
    return Visualisation(
        {1_700_000_000: ["hello", "wörld"]}, {1_700_000_000: {"a": 1}}, {"ema <1>": plot()}, [1, 2], {"alpha": [1]}
    )


def uptime() -> Uptime:
    return Uptime([T1], {1: T1}, 2, 3)


def other_data() -> OtherData:
    return OtherData({1: {"x": [1, None]}})


def deployment_info() -> DeploymentInfo:
    return DeploymentInfo("strategy_file", "a.json", {"multichain": True}, [DeploymentInfoChange(T1, "changed")])


def benchmark() -> Benchmark:
    return Benchmark("WETH-USDC", 1, [1_714_566_600, 1_714_608_000], [3_000.5, 3_010.25])


#: Class name -> maker.
ALL = {
    type(make()).__name__: make
    for make in (
        trigger, size_risk, trade_pricing, valuation_update, balance_update, blockchain_transaction, loan,
        lambda: interest("5", "2", "1"), interest_distribution, balance_event_ref, sync, full_trade_summary,
        position_statistics, portfolio_statistics, final_position_statistics, statistics, share_price_state, plot,
        visualisation, uptime, other_data, deployment_info, benchmark,
    )
}  # fmt: skip


def signed_transaction() -> SignedTransactionWithNonce:
    return SignedTransactionWithNonce(
        HexBytes(b"\x02raw"), HexBytes(b"h" * 32), 2**255, 7, 1, 88, "0xSigner", {"gas": 21_000, "data": "0x"}
    )
