"""One suite that every exchange adapter has to pass: cases x venues, on recorded answers and on the paper exchange."""
