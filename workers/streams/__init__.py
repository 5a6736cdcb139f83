"""What exchanges tell by themselves: orders, trades and balances of accounts at work, and the prices of their pairs."""
