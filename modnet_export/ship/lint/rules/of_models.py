"""Models: stored, so that they can be mapped into memory; the ones that were exported; not too large for the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from modnet_export.record.files import sha256
from modnet_export.ship import globs
from modnet_export.ship.android import bundle, gradle
from modnet_export.ship.android.package import Entry, Package
from modnet_export.ship.android.project import Module, Project
from modnet_export.ship.exported import CONTRACT
from modnet_export.ship.lint.finding import Linted, Outcome, Rule, failed, listed, passed, undecided

_STORED_BY_DEFAULT = (4, 1)
"""The Android Gradle plugin from which it stores .tflite unasked (PackagingUtils; its release notes)."""
_NO_MODEL = "there is no .tflite in its assets; it may be downloaded, or have another suffix"
_MB = 1_000_000
_MODULE, _PACK, _TOTAL = 200 * _MB, 1500 * _MB, 4000 * _MB
"""Google Play's limits on downloads: a module, a pack, all of them (support.google.com, answer 9859372)."""


# Stored, not deflated ------------------------------------------------------------


def _stored_project(given: Linted) -> Outcome:
    project: Project = given.app
    script = project.name(project.app.script)
    if project.app.scripts.stores("tflite"):
        return passed(script, "`noCompress` names tflite")
    version = project.plugin
    if version is None:
        return failed(
            script, "`noCompress` does not name tflite, and the Android Gradle plugin's version cannot be seen here"
        )
    if gradle.version_number(version) >= _STORED_BY_DEFAULT:
        return passed(script, f"the Android Gradle plugin {version} stores .tflite unasked (from 4.1 on)")
    return failed(script, f"`noCompress` does not name tflite, and the Android Gradle plugin {version} deflates it")


def _stored_apk(given: Linted) -> Outcome:
    package: Package = given.app
    if not package.models:
        return undecided(package.path.name, _NO_MODEL)
    deflated = [entry.name for entry in package.models if not entry.stored]
    if deflated:
        return failed(listed(deflated), "it is compressed (deflated), so it cannot be mapped into memory")
    return passed(listed(entry.name for entry in package.models), "it is stored without compression")


def _stored_aab(given: Linted) -> Outcome:
    """What bundletool will store is decided by BundleConfig.pb, whatever the bundle's own zip does."""
    package: Package = given.app
    if not package.models:
        return undecided(package.path.name, _NO_MODEL)
    deflated = [entry.name for entry in package.models if not _will_be_stored(package, entry)]
    if deflated:
        return failed("BundleConfig.pb", f"no `uncompressed_glob` covers {listed(deflated)}: it will be deflated")
    return passed("BundleConfig.pb", f"{listed(entry.name for entry in package.models)} will be stored")


def _will_be_stored(package: Package, entry: Entry) -> bool:
    compression = package.config.compression
    if any(globs.matches(glob, entry.path) for glob in compression.uncompressed_glob):
        return True
    return package.in_pack(entry) and compression.install_time_asset_module_default_compression != bundle.COMPRESSED


# The ones that were exported ------------------------------------------------------------


def _hash_project(given: Linted) -> Outcome:
    project: Project = given.app
    found = [path for module in (*project.used, *project.packs) for path in module.assets()]
    told: dict[str, str] = {}
    for module in (*project.used, *project.packs):
        for path in module.files(CONTRACT):
            told |= _recorded(gradle.read_bytes(path))
    return _hashes({project.name(path): sha256(path) for path in found}, given.hashes or told, str(project.folder.name))


def _hash_built(given: Linted) -> Outcome:
    package: Package = given.app
    told: dict[str, str] = {}
    for entry in package.entries:
        if entry.path.startswith("assets/") and PurePosixPath(entry.path).name == CONTRACT:
            told |= _recorded(package.text(entry))
    found = {entry.name: package.sha256(entry) for entry in package.models}
    return _hashes(found, given.hashes or told, package.path.name)


def _recorded(data: bytes) -> dict[str, str]:
    """The hashes in a ``modnet.json``; none in any other file of that name."""
    try:
        return {str(item["file"]): str(item["sha256"]) for item in json.loads(data)["artefacts"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _hashes(found: Mapping[str, str], told: Mapping[str, str], app: str) -> Outcome:
    """Models are known by their names; one that no record names may be somebody else's."""
    if not found:
        return undecided(app, _NO_MODEL)
    if not told:
        return undecided(
            listed(found),
            f"there is no {CONTRACT} beside it to say which it should be",
            "name the export: `export=FOLDER`",
        )
    names = {name: PurePosixPath(name).name for name in found}
    wrong = [name for name in found if names[name] in told and found[name] != told[names[name]]]
    if wrong:
        first = wrong[0]
        return failed(listed(wrong), f"SHA-256 {found[first][:12]}..., exported was {told[names[first]][:12]}...")
    unknown = [name for name in found if names[name] not in told]
    if len(unknown) == len(found):
        return undecided(
            listed(unknown),
            f"its hash is not that of any exported file: {listed(told)}",
            "name its export: `export=FOLDER`",
        )
    return passed(listed(name for name in found if name not in unknown), "the file that was exported")


# Small enough ------------------------------------------------------------


def _size_project(given: Linted) -> Outcome:
    project: Project = given.app

    def total(modules: Iterable[Module]) -> dict[str, int]:
        return {item.name or "app": sum(path.stat().st_size for path in item.assets()) for item in modules}

    return _sizes({"the app": sum(total(project.used).values())}, total(project.packs), project.folder.name)


def _size_built(given: Linted) -> Outcome:
    """A model hardly shrinks when it is deflated, so its size stands for its download."""
    package: Package = given.app
    modules: dict[str, int] = {}
    packs: dict[str, int] = {}
    for entry in package.models:
        into = packs if package.in_pack(entry) else modules
        into[entry.module] = into.get(entry.module, 0) + entry.info.file_size
    return _sizes(modules, packs, package.path.name)


def _sizes(modules: Mapping[str, int], packs: Mapping[str, int], app: str) -> Outcome:
    for sizes, limit in ((modules, _MODULE), (packs, _PACK), ({"all packs": sum(packs.values())}, _TOTAL)):
        for name, size in sizes.items():
            if size > limit:
                return failed(name, f"{size / _MB:,.0f} MB of models; Google Play takes {limit / _MB:,.0f} MB")
    whole = sum(modules.values()) + sum(packs.values())
    return passed(app, f"{whole / _MB:,.1f} MB of models") if whole else undecided(app, _NO_MODEL)


RULES = (
    Rule(
        "model-stored",
        'androidResources { noCompress += "tflite" } in the app\'s build file',
        ("project", "apk", "aab"),
        {"project": _stored_project, "apk": _stored_apk, "aab": _stored_aab},
    ),
    Rule(
        "model-hash",
        "put the exported file in its place again, and its manifest with it",
        ("project", "apk", "aab"),
        {"project": _hash_project, "apk": _hash_built, "aab": _hash_built},
    ),
    Rule(
        "model-size",
        "deliver it in an AI pack (Play for On-device AI) or an asset pack, 1.5 GB each, 4 GB in all",
        ("project", "apk", "aab"),
        {"project": _size_project, "apk": _size_built, "aab": _size_built},
    ),
)
