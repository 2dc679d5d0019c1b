"""Logs, state store, shard task, dataflows, settings and the command line."""
