"""Core ML: lowerings to MIL, saved packages, and an evaluator that runs a saved package anywhere."""

from converters.errors import needs

needs("coremltools", extra="coreml")
