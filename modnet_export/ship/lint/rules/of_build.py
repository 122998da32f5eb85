"""What the build takes in and leaves out: LiteRT's GPU artifact, and the classes that its native code calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from modnet_export.ship.android import gradle
from modnet_export.ship.android.package import Package
from modnet_export.ship.android.project import Project
from modnet_export.ship.lint.finding import Linted, Outcome, Rule, failed, passed, undecided
from modnet_export.ship.lint.rules.of_manifest import GPU_LIBRARIES

_LITERT, _GPU = f"{gradle.LITERT}:litert", f"{gradle.LITERT}:litert-gpu"
_TWO_ARTIFACTS = (2, 3)
"""From this release of LiteRT on, the GPU accelerator is an artifact of its own."""
_CLASSES = b"Lcom/google/ai/edge/litert/"
_JNI = ("liblitert_jni.so", "libLiteRt.so")
_KEPT = re.compile(
    r"-keep\s*(?:,\s*(?!allow(?:obfuscation|shrinking))\w+\s*)*class\s+com\.google\.ai\.edge\.litert\.\*\*\s*"
    r"\{[^}]*(?:\*|<methods>)\s*;"
)
"""A rule that keeps the classes with their names and methods."""


def _gpu_project(given: Linted) -> Outcome:
    project: Project = given.app
    script = project.name(project.app.script)
    if "gpu" not in project.uses and _GPU not in project.libraries:
        return undecided(script, "no source asks for Accelerator.GPU; a library may")
    return _gpu(project.libraries, script)


def _gpu_aab(given: Linted) -> Outcome:
    package: Package = given.app
    place = "dependencies.pb"
    libraries = package.dependencies
    if libraries is None:
        return undecided(package.path.name, "it was built without the list of its dependencies")
    if _GPU not in libraries and not _has_accelerator(package):
        return undecided(place, "litert-gpu is not in it; whether the app asks for the GPU cannot be seen here")
    return _gpu(libraries, place)


def _gpu_apk(given: Linted) -> Outcome:
    package: Package = given.app
    there = "is" if _has_accelerator(package) else "is not"
    return undecided(
        package.path.name,
        f"LiteRT's GPU accelerator {there} in it; its version can be seen only in a project or an .aab",
    )


def _has_accelerator(package: Package) -> bool:
    return any(PurePosixPath(entry.name).name in GPU_LIBRARIES for entry in package.libraries)


def _gpu(libraries: Mapping[str, str | None], place: str) -> Outcome:
    if _LITERT not in libraries:
        return undecided(place, f"{_LITERT} is not named; it may come with another library")
    version, gpu = libraries[_LITERT], libraries.get(_GPU)
    if _GPU not in libraries:
        if version is None:
            return undecided(place, "LiteRT's version cannot be read here")
        if gradle.version_number(version) < _TWO_ARTIFACTS:
            return passed(place, f"LiteRT {version} brings its GPU accelerator itself (until 2.2)")
        return failed(place, f"LiteRT {version} without litert-gpu: the GPU is asked for and is not there")
    if version is None or gpu is None:
        return undecided(place, "the versions of litert and litert-gpu cannot both be read here")
    if version != gpu:
        return failed(place, f"litert is {version}, litert-gpu is {gpu}")
    return passed(place, f"litert and litert-gpu are both {version}")


def _keep_project(given: Linted) -> Outcome:
    project: Project = given.app
    text = project.app.scripts.own
    script = project.name(project.app.script)
    optimised = any(gradle.is_set(block, "enable") for block in gradle.blocks(text, "optimization"))
    if not gradle.is_set(text, "minifyEnabled") and not optimised:
        return passed(script, "no build is minified")
    for module in project.used:
        for name in re.findall(r"[\"']([^\"'\n]+\.(?:pro|txt|cfg))[\"']", module.scripts.own):
            if _KEPT.search(re.sub(r"#[^\n]*", "", gradle.read_source(module.folder / name))):
                return passed(project.name(module.folder / name), "keeps LiteRT's classes")
    return failed(script, "R8 is on, and no rule keeps the classes that LiteRT's native code calls")


def _keep_built(given: Linted) -> Outcome:
    package: Package = given.app
    codes = [entry for entry in package.entries if re.fullmatch(r"(dex/)?classes\d*\.dex", entry.path)]
    native = next((entry.name for entry in package.libraries if PurePosixPath(entry.name).name in _JNI), None)
    if native and codes and not any(package.holds(entry, _CLASSES) for entry in codes):
        return failed(
            codes[0].name, f"{native} is there, but no class of com.google.ai.edge.litert: R8 renamed or removed them"
        )
    return undecided(package.path.name, "what R8 removed can be seen only in a project", "lint the project")


RULES = (
    Rule(
        "gpu-artifact",
        f"implementation of {_LITERT} and {_GPU}, both of one version",
        ("project", "aab"),
        {"project": _gpu_project, "apk": _gpu_apk, "aab": _gpu_aab},
    ),
    Rule(
        "keep-rules",
        "-keep class com.google.ai.edge.litert.** { *; } in the app's rules for R8",
        ("project",),
        {"project": _keep_project, "apk": _keep_built, "aab": _keep_built},
    ),
)
