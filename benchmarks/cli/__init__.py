"""The commands that measure, mounted by ``modnet_export.cli``."""
