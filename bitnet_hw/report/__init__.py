"""The energy-savings report: figures and documents. It sums and cites; it never recounts."""
