"""Drawn postures, bodies, cameras and detectors.

Opened by `pipeline`, `jax_pipeline` and `feed`.
"""
