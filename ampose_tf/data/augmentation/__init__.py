"""Drawn postures, bodies, cameras and detectors.

Opened by `pipeline` and `jax_pipeline`.
"""
