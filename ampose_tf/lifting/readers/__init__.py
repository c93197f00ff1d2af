"""Readers for the keypoint files of all tools; called by `formats`."""
