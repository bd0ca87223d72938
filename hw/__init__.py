"""Everything that touches a wire, and its stand-ins."""
