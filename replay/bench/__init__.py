"""Benchmarks that a user can run: `tapwatch bench`."""
