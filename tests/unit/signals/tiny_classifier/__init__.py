"""A classifier of three dozen words, to try TRANSFORMER_MODELS with; make.py made it."""
