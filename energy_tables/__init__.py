"""Price lists: one YAML file a source, loaded by :mod:`bitnet_hw.energy`."""
