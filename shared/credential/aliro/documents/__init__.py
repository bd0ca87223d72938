"""Documents of an issuer that a device carries: who may enter where and when, and who may not."""
