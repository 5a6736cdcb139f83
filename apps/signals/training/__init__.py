"""Development only: how the shipped weights are made and measured (needs requirements/train.txt)."""
