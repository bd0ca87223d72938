"""PIV (NIST SP 800-73): the card authentication key 9E, of staff cards and of YubiKeys."""
