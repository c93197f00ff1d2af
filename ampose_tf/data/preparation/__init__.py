"""Converts official downloads and motion capture; called by `prepare`."""
