"""What can be learnt about a finished model: its parts, where it leaves another one, and where it loses precision.

Stands above ``runtimes`` and the formats; nothing in ``converters`` imports it.
"""

EXACT_DB = 95.0
"""What every op of a float32 graph reaches on the same inputs: the least seen is 106 dB, but for sums (``walk``)."""
