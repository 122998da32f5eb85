"""Models that compute in int16 with int8 weights, as NPUs do: from ``form`` and ``ranges`` to ``write``."""
