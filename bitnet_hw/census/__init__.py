"""Exact counts of -1, 0 and +1 in the weights of real checkpoints: safetensors and GGUF.

Examples
--------
>>> from bitnet_hw.census import take_census
>>> take_census("model.safetensors").zero_fraction  # doctest: +SKIP
0.4213
"""

from .record import Census, MatrixCensus, Sparsity
from .take import take_census

__all__ = ["Census", "MatrixCensus", "Sparsity", "take_census"]
