"""Static int8 with litert-quantizer, in its own environment: ``convert_litert_quantizer.py FP32 IMAGES OUT``."""

# mypy: ignore-errors
import sys

import numpy as np
from litert_quantizer import quantizer, recipe

source, images, target = sys.argv[1:]
found = quantizer.Quantizer(source)
found.load_quantization_recipe(recipe.static_wi8_ai8())
ranges = found.calibrate({"serving_default": [{"image": image[None]} for image in np.load(images)]})
found.quantize(ranges).export_model(target, overwrite=True)
