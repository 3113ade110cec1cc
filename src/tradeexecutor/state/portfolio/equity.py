"""What the portfolio is worth and what it earned; all amounts USD."""

from collections import defaultdict

from tradeexecutor.state.errors import ReserveMissing
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairKind
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.portfolio.lookup import PortfolioLookup
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.trade import TradeStatus
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

_SPOT = TradingPairKind.spot_market_hold
_CCTP_BRIDGE, _VAULT = TradingPairKind.cctp_bridge, TradingPairKind.vault
_LOAN_KINDS = frozenset(kind for kind in TradingPairKind if kind.is_credit_based())


class PortfolioEquity(PortfolioLookup):
    """Cash, equity and profit.

    *Total equity* is open positions, loans, cash and capital in flight; frozen positions are left out.
    *Net asset value* includes frozen positions and leaves bridge transfers in transit out.
    *Net assets* (`calculate_net_assets`) are everything, each dollar once.
    """

    __slots__ = ()

    # --- Cash

    def get_cash(self) -> USDollarAmount:
        """Return the value of all reserves."""
        cash: USDollarAmount = 0
        for reserve in self.reserves.values():
            cash += reserve.get_value()
        return cash

    def get_current_cash(self) -> USDollarAmount:
        """Same as `get_cash`."""
        return self.get_cash()

    def get_reserve_position(self, asset: AssetIdentifier) -> ReservePosition:
        """Return the reserve of an asset; old files know it by the bare address.

        Raises
        ------
        KeyError
            There is no such reserve.
        """
        if len(self.reserves) == 1:  # nearly always: spare making the key
            reserve = next(iter(self.reserves.values()))
            if reserve.asset is asset:
                return reserve
        reserve = self.reserves.get(asset.address) or self.reserves.get(asset.get_identifier())
        if reserve is None:
            raise KeyError(asset.get_identifier())
        return reserve

    def get_default_reserve_position(self) -> ReservePosition:
        """Return the only reserve; raises `ReserveMissing` unless there is exactly one."""
        if len(self.reserves) != 1:
            raise ReserveMissing(f"expected exactly one reserve currency, there are {len(self.reserves)}")
        return next(iter(self.reserves.values()))

    def get_default_reserve_asset(self) -> tuple[AssetIdentifier | None, USDollarPrice | None]:
        """Return the first reserve currency and its price, ``(None, 1.0)`` without reserves."""
        for reserve in self.reserves.values():
            return reserve.asset, reserve.reserve_token_price
        return None, 1.0

    def get_reserve_assets(self) -> list[AssetIdentifier]:
        """Return all reserve currencies."""
        return [reserve.asset for reserve in self.reserves.values()]

    def get_initial_cash(self) -> USDollarAmount | None:
        """Return the first deposit; 0 without reserves, None when old data did not record it."""
        if not self.reserves:
            return 0
        reserve = self.get_default_reserve_position()
        if reserve.initial_deposit is None:
            return None
        return float(reserve.initial_deposit) * (reserve.initial_deposit_reserve_token_price or 1.0)

    def get_initial_deposit(self) -> USDollarAmount | None:
        """Same as `get_initial_cash`."""
        return self.get_initial_cash()

    def has_trading_capital(self, threshold_usd: USDollarAmount = 0.15) -> bool:
        """Tell whether total equity reaches the threshold."""
        return self.calculate_total_equity() >= threshold_usd

    # --- Equity

    def calculate_total_equity(self) -> USDollarAmount:
        """Return open positions, loans, cash and capital in flight; frozen positions are left out.

        In flight is what started trades have taken out of the cash: bridge transfers in transit, pending vault
        deposits, and reserves on their way into a loan or into a position that is being opened by a trigger.
        """
        # Runs for every new trade: one pass instead of the five that the parts would take.
        total = self.get_cash()
        for position in self.open_positions.values():
            kind = position.pair.kind
            if kind is _SPOT:  # nearly always: spare the call
                total += position.get_equity()
            else:
                total += _get_net_assets(position)
        for position in self.pending_positions.values():
            total += _get_net_assets(position)
        return total

    def get_total_equity(self) -> USDollarAmount:
        """Same as `calculate_total_equity`."""
        return self.calculate_total_equity()

    def get_net_asset_value(self, include_interest: bool = True) -> USDollarAmount:
        """Return open and frozen positions, loans, cash, pending vault deposits and reserves of other trades in flight.

        Bridge transfers in transit are left out, as in recorded figures; `calculate_net_assets` has them.
        """
        return (
            self.get_position_equity_and_loan_nav(include_interest)
            + self.get_frozen_position_equity()
            + self.get_cash()
            + self.get_vault_settlement_pending_value()
            + self.get_loan_in_flight_value()
            # What a trigger has started to open; loans are among those in flight.
            + sum(position.get_equity() for position in self.pending_positions.values())
            + sum(p.get_vault_settlement_pending_value() for p in self.frozen_positions.values() if p.is_vault())
        )

    def calculate_net_assets(self) -> USDollarAmount:
        """Return everything the strategy owns less what it owes, each dollar once.

        Cash, open and frozen positions, loans, and capital in flight of every kind: what a trade took out of the cash
        is here from its start on.  `calculate_total_equity` leaves frozen positions out, `get_net_asset_value` bridge
        transfers.
        """
        total = self.get_cash()
        for table in (self.open_positions, self.frozen_positions, self.pending_positions):
            for position in table.values():
                total += _get_net_assets(position)
        return total

    def get_position_equity_and_loan_nav(self, include_interest: bool = True) -> USDollarAmount:
        """Return the equity of open positions, for loans their net asset value."""
        equity: USDollarAmount = 0
        loans: USDollarAmount = 0
        for position in self.open_positions.values():
            if position.pair.kind in _LOAN_KINDS:
                loans += position.get_loan_based_nav(include_interest)
            else:
                equity += position.get_equity()
        return equity + loans

    def get_all_loan_nav(self, include_interest: bool = True, include_trading_fees: bool = True) -> USDollarAmount:
        """Return the net asset value of the loans of open positions."""
        return sum(
            position.get_loan_based_nav(include_interest, include_trading_fees)
            for position in self.open_positions.values()
            if position.is_loan_based()
        )

    def get_frozen_position_equity(self) -> USDollarAmount:
        """Return the value of frozen positions."""
        return sum(position.get_value() for position in self.frozen_positions.values())

    def get_live_position_equity(self) -> USDollarAmount:
        """Return the value of open positions.

        Bridge positions count gross, so that capital in use on the far chain counts twice; `calculate_net_assets`
        counts it once.
        """
        return sum(position.get_value() for position in self.open_positions.values())

    def get_in_transit_value(self) -> USDollarAmount:
        """Return the capital on its way over a bridge."""
        total: USDollarAmount = 0
        for position in self.open_positions.values():
            if position.pair.kind is _CCTP_BRIDGE:
                total += _get_in_transit_value(position)
        return total

    def get_vault_settlement_pending_value(self) -> USDollarAmount:
        """Return the deposits that asynchronous vaults have not settled."""
        total: USDollarAmount = 0
        for table in (self.open_positions, self.pending_positions):
            for position in table.values():
                if position.pair.kind is _VAULT:
                    total += position.get_vault_settlement_pending_value()
        return total

    def get_loan_in_flight_value(self) -> USDollarAmount:
        """Return the reserves that started trades took and that are not in their loans yet."""
        total: USDollarAmount = 0
        for table in (self.open_positions, self.frozen_positions, self.pending_positions):
            for position in table.values():
                if position.pair.kind in _LOAN_KINDS:
                    total += position.get_loan_in_flight_value()
        return total

    def calculate_total_equity_chain(self) -> dict[ChainId, USDollarAmount]:
        """Return the equity per chain: reserves, positions and capital in transit at its destination.

        Loans and pending vault settlements are left out, as in recorded figures.
        """
        result: defaultdict[ChainId, USDollarAmount] = defaultdict(float)
        for reserve in self.reserves.values():
            result[ChainId(reserve.asset.chain_id)] += reserve.get_value()
        for position in self.open_positions.values():
            if not position.is_loan_based():
                result[ChainId(position.pair.chain_id)] += position.get_equity()
            for trade in position.trades.values():
                if trade.get_status() is TradeStatus.cctp_in_transit:
                    destination = (trade.other_data or {}).get("cctp_dest_chain_id", position.pair.chain_id)
                    result[ChainId(destination)] += float(trade.planned_reserve)
        return dict(result)

    # --- Profit

    def get_net_profit_usd(self) -> USDollarAmount:
        """Return the profit of open, frozen and closed positions as it came out, see `TradingPosition`."""
        return sum(position.get_net_profit_usd() for position in self.get_all_positions())

    def get_unrealised_profit_usd(self) -> USDollarAmount:
        """Return the unrealised profit of open positions.

        Capital on a bridge counts as profit, as in recorded figures; `get_net_profit_usd` leaves it out.
        """
        return sum(position.get_unrealised_profit_usd() for position in self.open_positions.values())

    def get_unrealised_profit_in_leveraged_positions(self) -> USDollarAmount:
        """Return the unrealised profit of open leveraged positions."""
        return sum(p.get_unrealised_profit_usd() for p in self.open_positions.values() if p.is_leverage())

    def get_realised_profit_in_leveraged_positions(self) -> USDollarAmount:
        """Return the realised profit of open leveraged positions."""
        return sum(p.get_realised_profit_usd() or 0 for p in self.open_positions.values() if p.is_leverage())

    def get_closed_profit_usd(self) -> USDollarAmount:
        """Return the profit of closed positions, test positions included."""
        return sum(position.get_total_profit_usd() for position in self.closed_positions.values())

    # --- Loans

    def get_borrowed(self) -> USDollarAmount:
        """Return the debt of open and frozen positions."""
        return sum(position.get_borrowed() for position in self.get_open_and_frozen_positions())

    def get_loan_net_asset_value(self) -> USDollarAmount:
        """Return the net asset value of all loans of open and frozen positions."""
        return sum(loan.get_net_asset_value() for loan in self.get_open_loans())

    def get_total_claimed_interest(self) -> USDollarAmount:
        """Return the collateral interest moved to cash."""
        return sum(position.get_claimed_interest() for position in self.get_all_positions())

    def get_total_repaid_interest(self) -> USDollarAmount:
        """Return the debt interest repaid."""
        return sum(position.get_repaid_interest() for position in self.get_all_positions())


def _get_net_assets(position: TradingPosition) -> USDollarAmount:
    """Return what a position that is not closed adds to the net assets, capital in flight included, USD."""
    kind = position.pair.kind
    if kind in _LOAN_KINDS:
        return position.get_loan_based_nav() + position.get_loan_in_flight_value()
    value = position.get_equity()
    if kind is _VAULT:
        value += position.get_vault_settlement_pending_value()
    elif kind is _CCTP_BRIDGE:
        value += _get_in_transit_value(position)
    return value


def _get_in_transit_value(position: TradingPosition) -> USDollarAmount:
    """Return the capital of a bridge position that has left one chain and not arrived on the other, USD."""
    return sum(
        float(trade.planned_reserve)
        for trade in position.get_unsettled_trades()
        if trade.get_status() is TradeStatus.cctp_in_transit
    )
