"""In the wheels of Python 3.9 to 3.13 on a Mac (coremltools#2695)."""


class _MLModelProxy:
    pass
