"""Verifying what somebody else converted: files without a manifest, whose ports, ranges and faults are found out."""
