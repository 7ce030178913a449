"""The numeric reference that hardware is held against."""
