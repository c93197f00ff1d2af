"""Lifting of many clips with a record of the results; used by `command`."""
