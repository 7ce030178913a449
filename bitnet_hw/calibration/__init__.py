"""Calibration: machines fitted to published measurements, and estimates compared with them."""
