"""Checks of untrusted model files, used by `untrusted` and `describe`."""
