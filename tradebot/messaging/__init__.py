"""What waits to be published (outbox) and what could not be handled (dead letters)."""
