"""Aliro 1.0 over NFC: the expedited phase, standard and fast, and the step-up phase, both ends."""
