"""The energy-savings report: estimates compared, drawn, written out and cited."""
