"""Published measurements and what the cost model predicts for them, as data.

- ``rows.yaml``: measurements that others published, with their sources;
- ``pools.yaml``: how machines share the figures that their own rows do not determine;
- ``results.yaml``: the prediction of every row by a fit without it.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent
ROWS = _HERE / "rows.yaml"
POOLS = _HERE / "pools.yaml"
RESULTS = _HERE / "results.yaml"
