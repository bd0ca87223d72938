"""`doorward-phone`: a virtual phone that redeems invitations and opens doors."""
