"""Writers of pictures, films and pages; used by `saving`."""
