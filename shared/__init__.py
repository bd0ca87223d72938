"""What reader and controller both speak: access, credentials, wire. Pure: no I/O, clock or randomness."""
