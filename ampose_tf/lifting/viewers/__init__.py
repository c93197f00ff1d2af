"""Motion as pictures, films and pages; opened by `saving`."""
