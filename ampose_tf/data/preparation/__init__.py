"""Official downloads and motion capture to files; opened by `prepare`."""
