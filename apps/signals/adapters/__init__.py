"""Analyzers, the embedder and the registry that finds them."""
