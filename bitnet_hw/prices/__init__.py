"""Price lists: what one operation, one MAC or one bit moved costs, and who says so."""
