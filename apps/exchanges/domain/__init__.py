"""Pure rules of markets: no framework, no client."""
