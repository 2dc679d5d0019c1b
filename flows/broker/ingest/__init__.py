"""Input topics into the shard logs; what can't be used, as dead letters."""
