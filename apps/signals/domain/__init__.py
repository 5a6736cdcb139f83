"""Pure rules of reading a post: coins, direction, events, evidence, ensemble."""
