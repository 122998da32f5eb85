#!/bin/sh
# Runs replay.py on a Mac: makes an environment with coremltools beside this file, and says in one sentence what is missing.
set -eu
cd "$(dirname "$0")"

fail() { echo "run.sh: $1" >&2; exit 2; }

[ "$(uname -s)" = Darwin ] || fail "this needs a Mac: only macOS has Core ML."
major=$(sw_vers -productVersion | cut -d. -f1)
[ "$major" -ge MACOS ] || fail "these packages need macOS MACOS or newer, and this Mac has $(sw_vers -productVersion)."

# coremltools COREMLTOOLS has wheels with Core ML for these alone; on another Python it installs without it (coremltools#2695).
found=
for name in ${PYTHON:-python3.13 python3.12 python3.11 python3.10 python3.9 python3}; do
    if "$name" -c 'import sys, venv; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        found=$name
        break
    fi
done
[ -n "$found" ] || fail "no Python 3.9 to 3.13 was found: install one from python.org, or name it with PYTHON=/path/to/python3 sh run.sh."

[ -x .venv/bin/python ] || "$found" -m venv .venv || fail "$found cannot make an environment: install Python from python.org."
.venv/bin/python -m pip install --quiet --only-binary :all: 'coremltools==COREMLTOOLS' numpy pillow ||
    fail "coremltools COREMLTOOLS could not be installed: is this Mac online, and is $found one of python.org's?"
.venv/bin/python -c 'from coremltools.libcoremlpython import _MLModelProxy' 2>/dev/null ||
    fail "coremltools was installed without Core ML (coremltools#2695): delete .venv, and name another Python with PYTHON=."
exec .venv/bin/python replay.py
