"""Core ML: lowerings to MIL, saved packages, and an evaluator that runs a saved package anywhere."""
