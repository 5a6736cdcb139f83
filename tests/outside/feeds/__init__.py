"""A feed server in a process of its own: recordings, and feeds that behave as bad ones do."""
