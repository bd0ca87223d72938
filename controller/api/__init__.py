"""The REST API: requests read, use cases called, answers written. No SQL here."""
