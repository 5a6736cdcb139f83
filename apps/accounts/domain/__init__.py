"""Pure rules of accounts: sealing secrets."""
