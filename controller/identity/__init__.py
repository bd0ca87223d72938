"""Who is who: the controller's own keys, readers that enrol, phones that redeem invitations."""
