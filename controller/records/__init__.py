"""What happened: changes on their way, events, remote openings."""
