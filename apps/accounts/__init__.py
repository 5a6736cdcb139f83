"""Who may use tradebot: users, API tokens and encrypted exchange credentials."""
