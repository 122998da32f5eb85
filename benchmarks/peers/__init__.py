"""Our TFLite beside other tools' conversions of the same weights: ``python -m benchmarks.peers``."""
