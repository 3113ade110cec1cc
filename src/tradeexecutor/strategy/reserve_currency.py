"""Import path of existing strategies: names of reserve currencies. A universe has its reserve currency itself."""

import enum

__all__ = ["ReserveCurrency"]


class ReserveCurrency(enum.Enum):
    """A reserve currency; what is traded with is the reserve asset of the universe."""

    usdc = "usdc"
    usdt = "usdt"
    dai = "dai"
    busd = "busd"
    usdc_e = "usdc_e"
    crvusd = "crvusd"
    eth = "eth"
