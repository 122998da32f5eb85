"""``python -m tests.modnet_export.preview`` fetches LiteRT.js, and what the page is tested with: axe and Puppeteer."""

from __future__ import annotations

import shutil
import subprocess

from modnet_export.preview import litertjs
from tests.modnet_export.preview.packages import LOCK, folder

litertjs.files(print)
folder().mkdir(parents=True, exist_ok=True)
for path in LOCK:
    shutil.copy(path, folder())
subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder(), check=True)
print(f"LiteRT.js {litertjs.VERSION}, and {folder()}")
