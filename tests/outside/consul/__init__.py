"""Stands in for one Consul agent: services with TTL checks, as its HTTP API documents them. Real Consul is untested."""
