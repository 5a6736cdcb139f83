"""Sealing of secrets in the database: envelopes, the keys that wrap them, and rows that hold one."""
