"""`doorward-card`: virtual cards of every kind, and those who issue and revoke them."""
