"""Credential standards, both ends, as pure sessions: bytes and time in, an outcome out."""
