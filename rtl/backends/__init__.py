"""Simulators behind one interface; see :mod:`bitnet_hw.rtl.backends.interface`."""
