"""What can be learnt about a finished model: its parts, where it leaves another one, and where it loses precision.

Stands above ``runtimes`` and the formats; nothing in ``converters`` imports it.
"""
