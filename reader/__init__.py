"""The daemon at the door."""
