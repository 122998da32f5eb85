"""One of our TFLite files in an older runtime's environment: ``run_tflite.py MODEL IMAGES MATTES``.

Images and mattes are .npy files with a 1 x H x W x C image each along the first axis. Prints the engine; exits with its
message where it refuses the model.
"""

# mypy: ignore-errors
import sys
from pathlib import Path

import numpy as np

from converters.errors import ExportError
from converters.runtimes import open_runtime

model, images, mattes = map(Path, sys.argv[1:])
try:
    runtime = open_runtime(model, threads=1)
except ExportError as error:
    sys.exit(error.what)
np.save(mattes, np.stack([runtime.run(image_nhwc) for image_nhwc in np.load(images)]))
print(runtime.engine)
