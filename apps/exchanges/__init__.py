"""Venues: adapters, markets, and the paper exchange."""
