"""Gate-level energy and area of this package's processing elements on a user's library."""
