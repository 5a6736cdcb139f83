"""OKX v5 spot over the same engine, ledger and accounts as every other dialect."""
