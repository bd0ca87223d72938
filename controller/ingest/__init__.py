"""Journals of readers become rows: stored once, in order, before they are acknowledged."""
