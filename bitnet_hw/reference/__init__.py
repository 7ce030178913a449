"""The numeric reference for hardware, and the detection of ternary matrices by value."""
