"""The demo director: a whole site on one laptop, in separate processes, and a script of events."""
