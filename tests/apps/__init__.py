"""The apps, compiled and run with real toolchains. ``python -m tests.apps`` fetches these."""
