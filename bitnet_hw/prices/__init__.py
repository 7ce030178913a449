"""Price lists: the energy of an operation, of a MAC or of a bit moved, each with its source."""
