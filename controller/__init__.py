"""The daemon in the office."""
