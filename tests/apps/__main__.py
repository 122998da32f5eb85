"""``python -m tests.apps`` fetches the toolchains that the apps are checked with. A second run goes on."""

from converters.errors import ExportError
from tests.apps import api, toolchains

missing = 0
try:
    print(f"java: {toolchains.java()}")
except ExportError as problem:
    missing += 1
    print(problem)
for name, error in toolchains.install():
    missing += error is not None
    print(error or f"{name}: {toolchains.parts()[name].own() or toolchains.folder() / name}")
    for package, version in toolchains.versions(name).items() if error is None else ():
        print(f"    {package} {version}")
if not missing:
    print(f"Android's API 36 to compile against: {api.android_36()}")
raise SystemExit(1 if missing else 0)
