"""Generated motion: bodies, gaits and movements; used by `synthetic`."""
