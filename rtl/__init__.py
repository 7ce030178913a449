"""Processing elements in Amaranth, their simulation and their Verilog."""
