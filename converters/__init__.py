"""From ONNX to what phones run. Knows ONNX and the runtimes, and no particular model."""

PART_OF = "modnet-export"
