"""Analyses, signals, their evidence, and the coins they speak of."""
