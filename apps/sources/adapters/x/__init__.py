"""X (Twitter) through its API v2 with a bearer token."""
