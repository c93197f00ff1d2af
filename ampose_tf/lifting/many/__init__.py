"""Many clips in one go, and a record of them. The door is `command`."""
