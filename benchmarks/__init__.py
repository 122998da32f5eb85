"""Measurements: here and on devices. Results keep their raw samples and their conditions."""

PART_OF = "modnet-export"
