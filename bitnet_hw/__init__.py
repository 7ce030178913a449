"""Hardware simulation and energy-cost modelling for BitNet."""
