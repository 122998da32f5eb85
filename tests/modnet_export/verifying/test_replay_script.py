"""run.sh of the replay bundle, in sh with stand-ins for a Mac's programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "modnet_export" / "data" / "replay.sh"
# Makes .venv/bin/python, a stand-in too: pip is logged and may fail, Core ML may be missing.
PYTHON = """#!/bin/sh
case "$1" in
-c) exit ${UNSUITED:-0} ;;
esac
[ "$2" = venv ] || exit 9
mkdir -p "$3/bin"
cat > "$3/bin/python" <<'END'
#!/bin/sh
case "$1" in
-m) echo "$@" >> pip.log; exit ${NO_NETWORK:-0} ;;
-c) exit ${NO_CORE_ML:-0} ;;
replay.py) echo replayed; exit ${REPLAY:-0} ;;
esac
exit 9
END
chmod +x "$3/bin/python"
"""


@pytest.fixture
def mac(tmp_path):
    """``mac(...)`` runs the script on a Mac with these faults, in the environment."""
    programs = tmp_path / "programs"
    programs.mkdir()
    content = SCRIPT.read_text().replace("COREMLTOOLS", "9.0").replace("MACOS", "15")
    (tmp_path / "run.sh").write_text(content)
    for name, text in {
        "uname": "#!/bin/sh\necho ${SYSTEM:-Darwin}\n",
        "sw_vers": "#!/bin/sh\necho ${MACOS_VERSION:-15.1}\n",
        "python3.12": PYTHON,
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in ("dirname", "cut", "mkdir", "cat", "chmod"):
        found = next(path for path in (Path("/bin", name), Path("/usr/bin", name)) if path.exists())
        (programs / name).symlink_to(found)

    def run(**faults: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(programs), **faults}
        return subprocess.run(
            ["/bin/sh", str(tmp_path / "run.sh")], env=environment, capture_output=True, text=True, cwd=os.sep
        )

    return run


def test_packages_are_pinned_and_only_wheels(mac, tmp_path):
    done = mac()
    assert (done.returncode, done.stdout) == (0, "replayed\n"), done.stderr
    log = (tmp_path / "pip.log").read_text()
    assert "--only-binary :all: coremltools==9.0 numpy pillow" in log


def test_the_replays_exit_code_is_the_scripts(mac):
    assert mac(REPLAY="1").returncode == 1


@pytest.mark.parametrize(
    ("faults", "sentence"),
    [
        ({"SYSTEM": "Linux"}, "this needs a Mac: only macOS has Core ML."),
        ({"MACOS_VERSION": "13.6"}, "these packages need macOS 15 or newer, and this Mac has 13.6."),
        ({"UNSUITED": "1"}, "no Python 3.9 to 3.13 was found: install one from python.org"),
        ({"PYTHON": "nowhere"}, "no Python 3.9 to 3.13 was found"),
        ({"NO_NETWORK": "1"}, "coremltools 9.0 could not be installed: is this Mac online"),
        ({"NO_CORE_ML": "1"}, "coremltools was installed without Core ML (coremltools#2695)"),
    ],
)
def test_what_is_missing_is_one_sentence(mac, faults, sentence):
    done = mac(**faults)
    assert done.returncode == 2
    assert done.stderr.startswith(f"run.sh: {sentence}")
    assert done.stderr.count("\n") == 1
    assert "replayed" not in done.stdout
