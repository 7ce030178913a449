"""Calibration: machines fitted to published measurements, and estimates held against them."""
