"""A web site in a process of its own: a news list, plain and by JavaScript."""
