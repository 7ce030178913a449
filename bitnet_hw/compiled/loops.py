"""Every loop by its name: one pass over the data each."""

from __future__ import annotations

from .codes import count_block_codes, count_block_rows, count_code_rows, count_codes
from .trits import count_trit_rows, count_trits
from .values import count_two_levels, spread

__all__ = [
    "count_block_codes",
    "count_block_rows",
    "count_code_rows",
    "count_codes",
    "count_trit_rows",
    "count_trits",
    "count_two_levels",
    "spread",
]
