"""Drills: the promises put to the test on a real server process, for hours or for seconds.

Each drill returns a report whose ``problems`` are empty when the promise held.
"""
