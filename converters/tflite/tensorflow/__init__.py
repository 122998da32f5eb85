"""The second way to TFLite: through TensorFlow's own converter. It shares the ONNX side with ``converters.tflite.ops``,
and no lowering. Needs the extra ``tensorflow``."""
