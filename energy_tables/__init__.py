"""Price lists: one YAML file per source, loaded by :mod:`bitnet_hw.prices.loading`."""
