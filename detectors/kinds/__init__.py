"""The detectors, one to a file. A file put here is found by ``detectors.registry``; no list names it."""
