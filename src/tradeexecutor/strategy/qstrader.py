"""Import path of existing code, which asks whether the engine of that name is installed."""

__all__ = ["HAS_QSTRADER"]

#: The engine is not part of the library; `AlphaModel` and `PositionManager` plan trades.
HAS_QSTRADER = False
