"""Pure rules of strategies: reading one, matching a signal, naming the trade."""
