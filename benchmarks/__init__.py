"""Measurement scripts, run as `python -m benchmarks.NAME`."""
