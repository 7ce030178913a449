"""Masks of two-bit fields in a word of 64 bits, for loops in numpy and for compiled ones."""

from __future__ import annotations

import numpy as np

#: The low bits, and the high bits, of all fields.
LOW = np.uint64(0x5555_5555_5555_5555)
HIGH = np.uint64(0xAAAA_AAAA_AAAA_AAAA)

#: Every other field, and every other half of a byte.
PAIRS = np.uint64(0x3333_3333_3333_3333)
NIBBLES = np.uint64(0x0F0F_0F0F_0F0F_0F0F)
