"""What operators want: the use cases that change it, in a unit of work, and read it."""
