"""Pure rules for posts: reading outside items, cleaning text, language, near-duplicates, safe addresses."""
