"""Gate-level energy and area of this package's processing elements on a user's library."""

#: Elements that are measured by default.
DEFAULT_ELEMENTS = ("ternary", "binary", "int8", "fp16")
#: Number of lanes of elements that are measured by name.
DEFAULT_LANES = 8
