"""Hardware simulation and energy-cost modelling for BitNet.

``__init__.pyi`` lists the public names; each is loaded when it is first used, so that importing
the package is quick and needs no optional dependency.

Examples
--------
>>> import bitnet_hw as bh
>>> fp16, ternary = (
...     bh.estimate("bitnet-b1.58-2b4t", scheme, "7nm") for scheme in ("fp16", "bitnet-b1.58")
... )
>>> round(bh.ratio(fp16, ternary).value, 2)
3.72
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
