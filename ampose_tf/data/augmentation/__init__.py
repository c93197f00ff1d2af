"""Random postures, bodies, cameras and detectors.

Used by `pipeline` and `jax_pipeline`.
"""
