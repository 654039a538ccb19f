"""Where a candidate comes from, and what is checked before anything loads it."""
