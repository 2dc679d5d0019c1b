"""When to think of a merchant, and what to say of it: from a user's way and habits to candidate alerts."""
