"""Keypoint files of any tool; opened by `formats`."""
