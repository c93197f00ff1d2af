"""Files and JSON of each tool."""
