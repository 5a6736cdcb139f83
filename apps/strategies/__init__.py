"""Strategies, their versions, and what each decided about every signal."""
