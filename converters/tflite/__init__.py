"""From ONNX to TFLite, and smaller forms of a finished flatbuffer.

Imports ``converters.onnx``, and neither ``converters.runtimes`` nor ``converters.diagnose``, which stand above it.
"""
