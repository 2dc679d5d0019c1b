"""Recording, importers, simulator, replay, diff and evaluation."""
