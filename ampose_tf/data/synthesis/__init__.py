"""Generated motion: bodies, gaits and movements; opened by `synthetic`."""
