"""The cost model: operators, their lowering, counts, bytes, seconds and joules."""
