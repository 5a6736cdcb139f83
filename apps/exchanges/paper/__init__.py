"""The paper exchange: stands for the outside world, a process of its own with a ledger of its own.

`trade.py`, `book.py`, `listing.py`, `ledger.py`, `engine.py` and `tape.py` know no protocol; `binance/` speaks
Binance spot, `okx/` OKX v5 spot; `operator.py` is the side-door through which prices and accounts are set.
Measured on two slow, shared cores: 0.6-0.9 ms for a market order, 700-1300 orders/s, 0.6 ms of CPU each, 44 MB.
"""
