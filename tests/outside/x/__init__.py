"""A server that plays X's API v2: posts, searches, timelines, limits, faults and the filtered stream."""
