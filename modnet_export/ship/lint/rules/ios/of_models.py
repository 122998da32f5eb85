"""Models: in the target, whole, the ones that were exported, with image ports, for the app's oldest iOS, not large."""

from __future__ import annotations

from typing import Any

from modnet_export.record.contract import SOURCE_KEY, VERSION_KEY
from modnet_export.ship.exported import CONTRACT
from modnet_export.ship.ios.bundle import App
from modnet_export.ship.ios.model import Model
from modnet_export.ship.ios.project import Project
from modnet_export.ship.ios.shipping import OLDEST
from modnet_export.ship.lint.finding import (
    Linted,
    Outcome,
    Rule,
    Where,
    failed,
    listed,
    passed,
    undecided,
    warned,
)
from modnet_export.ship.lint.rules.ios.models import Found, Models, models

_EVERYWHERE: tuple[Where, ...] = ("project", "app", "ipa")
_NO_MODEL = "there is no Core ML model in it; it may be downloaded"
_MB = 1_000_000
_LARGE = 200 * _MB
"""What the App Store asks before it loads over a phone's network; and updates of the app load the models again."""


def _target(given: Linted) -> Outcome:
    found = models(given)
    if found.outside and not found.found:
        return failed(listed(found.outside), "is in the project's folder, but not in the target's resources")
    if found.missing:
        return failed(found.place, f"{CONTRACT} names {listed(found.missing)}, which is not in it")
    if not found.found:
        return undecided(found.place, _NO_MODEL)
    if not found.is_there:
        return failed(found.place, f"there is no {CONTRACT} in it, which MattingKit reads")
    return passed(listed(item.name for item in found.found), f"it is in the app, with {CONTRACT}")


def _whole(given: Linted) -> Outcome:
    found = models(given)
    if not found.found:
        return undecided(found.place, _NO_MODEL)
    for item in found.found:
        if pointers := item.pointers:
            return failed(f"{item.name}/{pointers[0]}", "it is a Git LFS pointer, not the file", "git lfs pull")
        if isinstance(item.said, str):
            return failed(item.name, item.said)
        if not item.compiled and not any(part.endswith("weight.bin") for part in item.parts):
            return failed(item.name, "it has no weights")
    return passed(listed(item.name for item in found.found), "none of its files is missing")


def _hash(given: Linted) -> Outcome:
    """Of a compiled model, what it says of its source and version is compared: its own hash is Xcode's."""
    found = models(given)
    told: dict[str, Any] | None = found.contract
    if given.export is not None:
        told = given.export.model_dump(mode="json")
    if not found.found:
        return undecided(found.place, _NO_MODEL)
    if told is None:
        what = f"{CONTRACT} cannot be read" if found.is_there else f"there is no {CONTRACT} to say which it should be"
        return undecided(found.place, what, "name the export: `export=FOLDER`")
    hashes = {item["file"]: item["sha256"] for item in told["artefacts"]}
    known = [item for item in found.found if item.file in hashes]
    if not known:
        return undecided(
            listed(item.name for item in found.found),
            f"its hash is not that of any exported file: {listed(hashes)}",
            "name its export: `export=FOLDER`",
        )
    for item in known:
        if (problem := _other(item, hashes[item.file], told)) is not None:
            return failed(item.name, problem)
    place = listed(item.name for item in known)
    if any(item.compiled for item in known):
        return passed(place, "made from the source and by the version that were exported; its own hash is Xcode's")
    return passed(place, "the package that was exported")


def _other(item: Found, expected: str, told: dict[str, Any]) -> str | None:
    """What is wrong with a model; None: nothing."""
    if not item.compiled:
        return None if item.sha256 == expected else f"SHA-256 {item.sha256[:12]}..., exported was {expected[:12]}..."
    if isinstance(item.said, str):
        return item.said
    wanted = {
        SOURCE_KEY: told.get("source", {}).get("sha256"),
        VERSION_KEY: told.get("versions", {}).get("modnet-export"),
    }
    for key, value in wanted.items():
        found = item.said.creator_defined.get(key)
        if found != value:
            return f"{key} is {_short(found)}, exported was {_short(value)}"
    return None


def _short(value: object) -> str:
    return "missing" if value is None else f"{str(value)[:12]}{'...' * (len(str(value)) > 12)}"


def _ports(given: Linted) -> Outcome:
    found = models(given)
    said = [(item, item.said) for item in found.found if isinstance(item.said, Model)]
    if not said:
        return undecided(found.place, _NO_MODEL)
    size = (found.contract or {}).get("size")
    for item, model in said:
        arrays = [port for port in (*model.inputs, *model.outputs) if not port.is_image]
        if arrays:
            return warned(item.name, f"{listed(map(str, arrays))}: rows may be padded, and MattingEngine refuses it")
        for port in (*model.inputs, *model.outputs):
            if isinstance(size, dict) and (port.height, port.width) != (size.get("height"), size.get("width")):
                return failed(item.name, f"{port}; {CONTRACT} says {size.get('height')}x{size.get('width')}")
    shown = [str(port) for _, model in said for port in (*model.inputs, *model.outputs)]
    return passed(listed(item.name for item, _ in said), listed(dict.fromkeys(shown)))


def _deployment(given: Linted) -> Outcome:
    found = models(given)
    place, oldest, text = _oldest(given.app)
    needed = [(item.said.ios, item.name) for item in found.found if isinstance(item.said, Model)]
    newest, name = max(needed, default=(0, ""))
    if not needed:
        return undecided(found.place, _NO_MODEL)
    if oldest is None:
        return undecided(place, "the oldest iOS is not a number that can be read here", "lint what you build")
    if oldest < newest:
        return failed(place, f"it runs on iOS {text}, and {name} needs {newest}")
    if oldest < OLDEST:
        return failed(place, f"it runs on iOS {text}, and MattingKit needs {OLDEST}")
    return passed(place, f"iOS {text} or newer; {name} needs {newest}")


def _oldest(app: Project | App) -> tuple[str, int | None, str]:
    """Where the oldest iOS is said, its first number, and the whole."""
    if isinstance(app, Project):
        return app.name(app.form.definition), app.target.oldest_ios, app.target.minimum or ""
    text = str(app.info.get("MinimumOSVersion", ""))
    first = text.split(".")[0]
    return "Info.plist", int(first) if first.isdecimal() and first.isascii() and len(first) < 5 else None, text


def _size(given: Linted) -> Outcome:
    found: Models = models(given)
    whole = sum(item.size for item in found.found)
    if not found.found:
        return undecided(found.place, _NO_MODEL)
    if whole > _LARGE:
        return warned(found.place, f"{whole / _MB:,.0f} MB of models; every update of the app brings them again")
    return passed(found.place, f"{whole / _MB:,.1f} MB of models")


def _everywhere(name: str, mend: str, check: Any) -> Rule:
    return Rule(name, mend, _EVERYWHERE, dict.fromkeys(_EVERYWHERE, check))


RULES = (
    _everywhere(
        "model-in-target", f"put the .mlpackage and {CONTRACT} into the target's resources: `ship ios`", _target
    ),
    _everywhere("model-whole", "put the exported package in its place again", _whole),
    _everywhere("model-hash", f"put the exported package in its place again, and {CONTRACT} with it", _hash),
    _everywhere("model-ports", "export it with `coreml_io=image`: pixel buffers in and out", _ports),
    _everywhere(
        "deployment-target", "raise the deployment target, or export with `coreml_target` of an older iOS", _deployment
    ),
    _everywhere("model-size", "deliver it by Background Assets (On-Demand Resources end with iOS 27)", _size),
)
