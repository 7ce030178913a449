"""Gate-level energy of our own processing elements, with the user's standard cells."""
