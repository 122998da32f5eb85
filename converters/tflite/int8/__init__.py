"""Models that compute in int8 where a budget allows it: from ``graph`` and ``ranges`` by ``search`` to ``write``."""
