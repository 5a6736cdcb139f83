"""Sealing of secrets, as accounts know it: the house's own (`tradebot.sealing`), which other apps use as well."""

from tradebot.sealing.envelope import Envelope, KeyRing, Record, SealError, Secret, rewrap, seal, unseal

__all__ = ["Envelope", "KeyRing", "Record", "SealError", "Secret", "rewrap", "seal", "unseal"]
