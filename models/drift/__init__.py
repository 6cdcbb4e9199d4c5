"""Whether today's people still look like those that the champion learned from."""
