"""Readers' journals, stored exactly once and in order."""
