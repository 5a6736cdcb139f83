"""The wrapping keys, as accounts know them: the house's own (`tradebot.sealing`)."""

from tradebot.sealing.keys import FernetRing, ring

__all__ = ["FernetRing", "ring"]
