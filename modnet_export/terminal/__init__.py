"""What commands are made of: options from a dataclass, tables, progress and errors on a terminal.

Apart from ``cli``, because ``benchmarks`` brings commands of its own, which ``cli`` mounts.
"""
