"""Faults seeded into exported artefacts, and what becomes of them."""
