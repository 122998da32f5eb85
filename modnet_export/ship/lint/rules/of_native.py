"""Native libraries: pages of 16 KB, which Google Play demands for 64-bit processors; one processor for each phone."""

from __future__ import annotations

import re
from pathlib import Path

from modnet_export.ship.android import bundle, elf, gradle
from modnet_export.ship.android.package import Package
from modnet_export.ship.android.project import Project
from modnet_export.ship.lint.finding import Linted, Outcome, Rule, failed, listed, passed, undecided

_PAGE = 0x4000
_MISALIGNED = ("2.1.0", "2.1.1")
"""Releases of LiteRT whose OpenCL library is aligned to 4 KB (LiteRT issues 4286 and 6299)."""
_PLUGIN, _NDK = (8, 5, 1), (28,)
_NONE = "there is no 64-bit native library in it"


def _elf_project(given: Linted) -> Outcome:
    project: Project = given.app
    script, scripts = project.name(project.app.script), project.app.scripts
    version = project.libraries.get(f"{gradle.LITERT}:litert")
    if version in _MISALIGNED:
        return failed(script, f"LiteRT {version} has an OpenCL library aligned to 4 KB", "take LiteRT 2.1.2 or newer")
    ndk = next((value for value in scripts.values("ndkVersion") if value), None)
    own = re.search(r"\bexternalNativeBuild\b", scripts.own) is not None
    flexible = re.search(r"max-page-size=16384|ANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES", scripts.own) is not None
    if own and ndk and not flexible and gradle.version_number(ndk) < _NDK:
        return failed(script, f"NDK {ndk} aligns your own libraries to 4 KB", "ndkVersion r28 or newer")
    for module in project.used:
        for path in module.files(".so"):
            if path.parent.name in elf.WIDE and (found := _alignment(path)) is not None and found < _PAGE:
                return failed(project.name(path), f"LOAD segments aligned to {found:#x}, less than 0x4000")
    return undecided(
        script, "the libraries come with the build, so only an .apk or an .aab shows them", "lint what you build"
    )


def _alignment(path: Path) -> int | None:
    """The alignment of a library in a project; None for what is none, which the build will say."""
    with path.open("rb") as file:
        try:
            return elf.load_alignment(file.read(elf.HEAD))
        except ValueError:
            return None


def _elf_built(given: Linted) -> Outcome:
    package: Package = given.app
    wide = [entry for entry in package.libraries if entry.wide]
    if not wide:
        return passed(package.path.name, _NONE)
    small = {entry.name: found for entry in wide if (found := package.load_alignment(entry)) < _PAGE}
    if small:
        return failed(listed(small), f"LOAD segments aligned to {next(iter(small.values())):#x}, less than 0x4000")
    return passed(listed(entry.name for entry in wide), "LOAD segments aligned to 0x4000 or more")


def _zip_project(given: Linted) -> Outcome:
    project: Project = given.app
    script, version = project.name(project.app.script), project.plugin
    if version is not None and gradle.version_number(version) < _PLUGIN:
        return failed(script, f"the Android Gradle plugin {version} aligns libraries in the .apk to 4 KB")
    return undecided(script, "the build aligns them, so only an .apk or an .aab shows how", "lint what you build")


def _zip_apk(given: Linted) -> Outcome:
    package: Package = given.app
    wide = [entry for entry in package.libraries if entry.wide]
    stored = [entry for entry in wide if entry.stored]
    if not stored:
        return passed(package.path.name, "libraries are deflated, and unpacked on the phone" if wide else _NONE)
    off = [entry.name for entry in stored if package.offset(entry) % _PAGE]
    if off:
        return failed(listed(off), "does not begin at a multiple of 16 KB in the .apk")
    return passed(listed(entry.name for entry in stored), "begin at multiples of 16 KB")


def _zip_aab(given: Linted) -> Outcome:
    """Bundletool stores libraries unless BundleConfig.pb says otherwise, and aligns them as it says, else to 4 KB."""
    package: Package = given.app
    if not any(entry.wide for entry in package.libraries):
        return passed(package.path.name, _NONE)
    optimizations = package.config.optimizations
    native = optimizations.uncompress_native_libraries
    if optimizations.HasField("uncompress_native_libraries") and not native.enabled:
        return passed("BundleConfig.pb", "libraries will be deflated, and unpacked on the phone")
    if native.alignment in bundle.ALIGNED_TO_16_KB:
        return passed("BundleConfig.pb", "libraries will begin at multiples of 16 KB or more")
    return failed("BundleConfig.pb", "libraries will begin at multiples of 4 KB")


def _split_project(given: Linted) -> Outcome:
    project: Project = given.app
    script, text = project.name(project.app.script), project.app.scripts.own
    if any(re.search(r"\benableSplit\s*=\s*false", block) for block in gradle.blocks(text, "bundle", "abi")):
        return failed(script, "bundle { abi { enableSplit = false } } puts every processor's libraries on every phone")
    if any(gradle.is_set(block, "enable") for block in gradle.blocks(text, "splits", "abi")):
        return passed(script, "splits { abi } is on")
    return undecided(
        script, "an app bundle splits by itself, an .apk does not: which one you publish cannot be seen here"
    )


def _split_apk(given: Linted) -> Outcome:
    package: Package = given.app
    abis = sorted({entry.abi for entry in package.libraries})
    if len(abis) > 1:
        return failed(f"lib/ in {package.path.name}", f"libraries of {len(abis)} processors: {', '.join(abis)}")
    return passed(
        package.path.name, f"libraries of one processor: {abis[0]}" if abis else "there are no libraries in it"
    )


def _split_aab(given: Linted) -> Outcome:
    package: Package = given.app
    dimensions = package.config.optimizations.splits_config.split_dimension
    if any(item.value == bundle.ABI and item.negate for item in dimensions):
        return failed("BundleConfig.pb", "the split by processor is switched off")
    return passed("BundleConfig.pb", "an app bundle: each phone gets the libraries of its processor")


RULES = (
    Rule(
        "elf-16kb",
        "take the library's newest release; build your own with NDK r28 or newer",
        ("apk", "aab"),
        {"project": _elf_project, "apk": _elf_built, "aab": _elf_built},
    ),
    Rule(
        "zip-16kb",
        "build with the Android Gradle plugin 8.5.1 or newer, or: zipalign -P 16 4",
        ("apk", "aab"),
        {"project": _zip_project, "apk": _zip_apk, "aab": _zip_aab},
    ),
    Rule(
        "abi-split",
        "publish an app bundle (bundleRelease), or: splits { abi { isEnable = true } }",
        ("project", "apk", "aab"),
        {"project": _split_project, "apk": _split_apk, "aab": _split_aab},
    ),
)
