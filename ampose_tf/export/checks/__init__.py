"""Checks of untrusted model files, opened by `untrusted` and `describe`."""
