"""The demo: sample posts with the moments they belong to, the code that plays them, and the table at the end."""
