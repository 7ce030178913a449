"""Counting shared by layouts: 2-bit codes, 4-bit codes, base 3, and the scales of blocks."""
