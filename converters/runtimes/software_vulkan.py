"""A Vulkan device in software (SwiftShader), so that LiteRT's GPU accelerator can be checked without a GPU.

``python -m converters.runtimes.software_vulkan`` fetches it from Debian's or Ubuntu's packages, without root. It
computes in fp32 only: ``converters.tflite.fp16_safety`` tells what fp16 does on a phone's GPU.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from converters.errors import ExportError

NAME = "SwiftShader, in software"
active = False
"""Whether this process uses it."""
_PACKAGES = ("chromium-common", "libvulkan1")
_SYSTEM = (Path("/usr/lib/chromium"), Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib/aarch64-linux-gnu"))
_DRIVER, _LOADER, _ICD = "libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"


def folder() -> Path:
    """Where ``install`` puts the device; $MODNET_EXPORT_GPU_EMULATION where that is set."""
    named = os.environ.get("MODNET_EXPORT_GPU_EMULATION")
    return Path(named) if named else Path.home() / ".cache" / "modnet-export" / "gpu-emulation"


def hardware() -> bool:
    """Whether Linux shows a graphics device. Drivers without one (Mesa's, for example) leave only their own software
    device, which LiteRT's accelerator refuses."""
    return any(Path("/dev/dri").glob("renderD*")) or any(Path("/dev").glob("nvidia[0-9]*"))


def find() -> tuple[Path, Path] | None:
    """SwiftShader's driver and the Vulkan loader, of ``install``, the system or Playwright; None: not here."""
    places = [folder()] if "MODNET_EXPORT_GPU_EMULATION" in os.environ else [folder(), *_SYSTEM, *_of_playwright()]
    found = [next((place / name for place in places if (place / name).exists()), None) for name in (_DRIVER, _LOADER)]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _of_playwright() -> list[Path]:
    """Where Playwright keeps its browsers: what the preview's page is tested with."""
    browsers = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    return sorted(browsers.glob("chromium*/chrome-linux*"), reverse=True)


def activate() -> str:
    """Point this process to the software device; returns its name. Raises ExportError where it is not installed."""
    global active
    found = find()
    if found is None:
        raise ExportError(
            "there is no Vulkan device for LiteRT's GPU accelerator",
            expected="a GPU with a Vulkan driver, or the software device",
            next_step="python -m converters.runtimes.software_vulkan fetches the software device",
        )
    driver, loader = found
    # The loader is found by its soname once it is in the process.
    ctypes.CDLL(str(loader), mode=ctypes.RTLD_GLOBAL)
    scratch = Path(tempfile.gettempdir()) / f"converters-vulkan-{os.getuid()}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    icd = scratch / _ICD
    icd.write_text(
        json.dumps({"file_format_version": "1.0.0", "ICD": {"library_path": str(driver), "api_version": "1.1.0"}})
    )
    os.environ["VK_DRIVER_FILES"] = os.environ["VK_ICD_FILENAMES"] = str(icd)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(scratch))
    active = True
    return NAME


def install() -> Path:
    """Fetch the packages and keep the two libraries; raises ExportError where that is not possible."""
    target = folder()
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ExportError(
            "the software GPU is taken from Debian's or Ubuntu's packages",
            expected="apt-get and dpkg-deb",
            next_step=f"put {_DRIVER} and {_LOADER} into {target} yourself",
        )
    with tempfile.TemporaryDirectory(prefix="converters_") as name:
        scratch = Path(name)
        try:
            subprocess.run(["apt-get", "download", "-q", *_PACKAGES], cwd=scratch, check=True, timeout=600)
            for package in scratch.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(package), str(scratch / "root")], check=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            raise ExportError(
                f"cannot fetch {' and '.join(_PACKAGES)}: {error}",
                expected="a Debian or Ubuntu whose package lists are up to date",
                next_step="apt-get update, then run this again",
            ) from error
        target.mkdir(parents=True, exist_ok=True)
        for wanted in (_DRIVER, _LOADER):
            source = next((scratch / "root").rglob(wanted), None)
            if source is None:
                raise ExportError(f"the packages hold no {wanted}", expected=" and ".join(_PACKAGES))
            shutil.copy2(source.resolve(), target / wanted)
    return target


if __name__ == "__main__":
    try:
        print(f"The software GPU is in {install()}: models now run on LiteRT's GPU accelerator here, slowly.")
    except ExportError as problem:
        raise SystemExit(str(problem)) from None
