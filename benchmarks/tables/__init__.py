"""The measured tables of README and ``docs/``, made anew with one command: ``make tables``."""
