"""Drawn cameras, bodies and detectors; opened by `pipeline` and `feed`."""
