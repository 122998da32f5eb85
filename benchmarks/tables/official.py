"""The official checkpoints, exported in every precision, verified on the judging portraits and timed: one page.

``make check-official`` runs it where there is internet: the weights are fetched by their hashes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.tables import int8, others
from benchmarks.tables.setting import COUNT, Setting
from converters.errors import ExportError
from modnet_export import Size, VerifyRequest, verify
from modnet_export.model import hub
from modnet_export.record.files import write_bytes
from modnet_export.terminal.progress import stages


def _verified(setting: Setting) -> tuple[bool, str]:
    """Whether every artefact passes on the judging portraits, and the Markdown of the report."""
    found = verify(VerifyRequest(setting.dist, setting.inputs, state=setting.state, bisect=True), setting.progress)
    results, page = setting.work / "verification.json", setting.work / "report.md"
    write_bytes(results, found.model_dump_json().encode())
    command = ["report", str(setting.dist), "--results", str(results), "-o", str(page)]
    done = subprocess.run([sys.executable, "-m", "modnet_export", *command], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise ExportError(f"the report of {setting.checkpoint} failed:\n{done.stderr.strip()}")
    return found.passed, page.read_text(encoding="utf-8")


def section(setting: Setting) -> tuple[bool, str]:
    """What one checkpoint gives: whether all is within its limits, and a part of the page."""
    passed, report = _verified(setting)
    parts = {
        "Parity on the judging portraits": report,
        "float32 against float64": others.exactness(setting),
        "int8, and latency beside fp32's": int8.models(setting),
        "Core ML, evaluated": others.coreml(setting),
    }
    return passed, "\n\n".join([f"## {setting.checkpoint}", *(f"### {name}\n\n{text}" for name, text in parts.items())])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables.official", description=__doc__)
    parser.add_argument("checkpoints", nargs="*", default=list(hub.OFFICIAL), help="default: all official ones")
    parser.add_argument("--work", type=Path, default=Path("build/official"), help="what is kept for the next run")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--count", type=int, default=COUNT, help="framed judging portraits (default: %(default)s)")
    options = parser.parse_args()
    setting = Setting(options.work, size=Size.parse(options.size), count=options.count)
    sections, passed = [], True
    with stages() as progress:
        for name in options.checkpoints:
            progress(f"checking {name}")
            work = options.work / Path(name).stem
            sound, text = section(replace(setting, work=work, checkpoint=name, progress=progress))
            sections.append(text)
            passed &= sound
    page = options.work / "official.md"
    head = f"# The official checkpoints at {setting.size}\n\n{setting.conditions}. {setting.count} framed portraits."
    write_bytes(page, "\n\n".join([head, *sections, ""]).encode())
    print(f"Wrote {page}.")
    if not passed:
        sys.exit("error: some artefacts are outside their limits, see the page")


if __name__ == "__main__":
    try:
        main()
    except ExportError as error:
        sys.exit(f"error: {error}")
