"""What reader and controller both speak; no I/O, clock or randomness of its own."""
