"""What is watched, and what was seen there: sources, posts and their media."""
