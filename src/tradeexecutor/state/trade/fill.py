"""The outcome of a successful trade."""

import datetime
from decimal import Decimal

import msgspec

from tradeexecutor.state.types import USDollarAmount, USDollarPrice


class Fill(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a successful trade, as reported by the market, the chain or a simulation.

    `State.record_fill` books it. LP fees and gas are only recorded: they are already part of price and quantity.
    Like `TradeRequest` it is a msgspec structure, for speed, because one is created for every trade. Pass the values by
    name: only functions with the long signatures of existing strategies pass them by position.

    Worked example: 0.25 WETH bought for 600 USDC at a fee of 0.3 %:

    >>> fill = Fill(
    ...     executed_at=datetime.datetime(2024, 1, 1),
    ...     price=2400.0,
    ...     quantity=Decimal("0.25"),
    ...     reserve=Decimal(600),
    ...     lp_fees=1.8,
    ... )
    """

    #: Naive UTC.
    executed_at: datetime.datetime
    #: USD per base token, exactly a float.
    price: USDollarPrice
    #: Base token units, + bought, - sold.
    quantity: Decimal
    #: Reserve token units, >= 0: spent by a buy, received by a sell. 0 on a buy means not reported.
    reserve: Decimal
    #: USD.
    lp_fees: USDollarAmount | None = None
    #: USD per unit of the gas token.
    native_token_price: USDollarPrice | None = None
    #: Native token units.
    cost_of_gas: Decimal | None = None
    #: Short: reserve token units, + into the collateral, - out of it. None means as planned.
    collateral_consumption: Decimal | None = None
    collateral_allocation: Decimal | None = None
