"""Models into an iOS project: what its target should hold, and bringing it there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from converters.errors import ExportError
from modnet_export.ship.changes import Change, Record, Shipment, Shipped, changes, require_folder
from modnet_export.ship.exported import Exported, shipped_before
from modnet_export.ship.ios import model, swift
from modnet_export.ship.ios.project import Project
from modnet_export.ship.ios.target import KIT, Target

FOLDER = "Modnet"
"""What is shipped lies in a folder of this name: in one of the target's, and in one of its tests'."""
MARK = "MattingContract.swift"
"""The file of the sources by which a target is known that has them already."""
OLDEST = 16
"""What MattingKit needs (``ios_demo/MattingKit/Package.swift``)."""


@dataclass(frozen=True)
class ShipRequest:
    """Which models are to be in which project.

    ``model_files``: packages of one exported folder; none: those that were shipped before, from ``dist`` in the working
    directory. ``target``: of a project that has several. ``kit``: a folder with the package MattingKit, which the
    target is to depend on instead of having its sources. ``apply``: the project's definition is edited too.
    """

    project: Path
    model_files: tuple[Path, ...] = ()
    target: str | None = None
    kit: Path | None = None
    apply: bool = False


@dataclass(frozen=True)
class Step:
    """What is to be done by hand: why, and how, in the terms of the project."""

    why: str
    how: str


@dataclass(frozen=True)
class IosShipment(Shipment):
    """What a request comes to; the project's definition is among the changes where it is to be edited."""

    project: Project
    steps: tuple[Step, ...]
    gone: tuple[Path, ...]
    """What the definition names and is no longer shipped."""

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What keeps the models from running and cannot be put right from here."""
        project, found = self.project, []
        target = project.target
        if project.tests is None:
            found.append(
                f"no unit-test target depends on {target.name}: make one, and ship again for a test that compares your "
                "device's mattes with the reference's"
            )
        if target.oldest_ios is None:
            found.append(f"the oldest iOS of {target.name} cannot be read: it must be {OLDEST} or newer")
        if target.kind == "app" and not (target.info or {}).get("NSCameraUsageDescription"):
            found.append("for the camera, say why in Info.plist: NSCameraUsageDescription")
        if not any(path.name == "PrivacyInfo.xcprivacy" for path in target.files()):
            found.append(
                "add PrivacyInfo.xcprivacy to the target: MattingKit asks for the time since the start of the system "
                "(NSPrivacyAccessedAPICategorySystemBootTime, reason 35F9.1)"
            )
        for path in self.gone:
            found.append(f"take {project.name(path)} out of {self.name(project.form.definition)}: it is removed")
        return tuple(found)


def ship(request: ShipRequest) -> IosShipment:
    """What would be done; raises ExportError for bad input."""
    require_folder(request.project, "an iOS project's folder")
    project = Project(request.project, request.target)
    before = request.model_files or shipped_before(project.root, ".mlpackage", "modnet_fp16.mlpackage")
    exported = Exported.read(before, "coreml")
    _require_that_it_runs(project, exported)
    kit = _kit(project, request.kit)
    files = {
        target: dict(_files(project, target, exported, kit)) for target in (project.target, project.tests) if target
    }
    shipped = {path: data for found in files.values() for path, data in found.items()}
    found = changes(project.root, {project.name(path): data for path, data in shipped.items()})
    wanted = []
    for target, own in files.items():
        depends = kit if target is project.target and not project.kit else None
        lacking = [path for path in dict.fromkeys(map(_wrapper, own)) if not target.takes(path)]
        if lacking or depends:
            wanted.append((target, lacking, depends))
    old = {_wrapper(project.root / name) for name in Record.read(project.root).files} - {*map(_wrapper, shipped)}
    gone = tuple(sorted(path for path in old if any(path in target.named for target in files)))
    steps: tuple[Step, ...] = ()
    if wanted and request.apply:
        definition = project.form.definition
        found = (Change(definition, definition.read_bytes(), _edited(project, wanted)), *found)
    else:
        steps = tuple(_step(project, *item) for item in wanted)
    return IosShipment(project.root, project.root, exported.models, found, project, steps, gone)


def _edited(project: Project, wanted: list[tuple[Target, list[Path], str | None]]) -> bytes:
    definition = project.form.definition
    try:
        return project.form.edited(wanted)
    except ValueError as error:
        raise ExportError(
            f"{project.name(definition)} has a form that cannot be edited: {error}",
            where=definition,
            expected=f"{project.form.what} with the target as a literal",
            next_step="leave `apply` out, and follow the steps that are printed",
        ) from error


def _step(project: Project, target: Target, lacking: list[Path], kit: str | None) -> Step:
    what = [f"{len(lacking)} file(s) are not in the target {target.name}"] if lacking else []
    if kit is not None:
        what.append(f"{target.name} does not depend on {KIT}")
    return Step("; ".join(what), project.form.steps(target, lacking, kit))


def _kit(project: Project, kit: Path | None) -> str | None:
    """The path of the package MattingKit from the project's folder; raises ExportError where there is none."""
    if kit is None:
        return None
    if not (kit / "Package.swift").is_file() or not (kit / f"Sources/{KIT}/{MARK}").is_file():
        raise ExportError(
            f"{kit} is not the package {KIT}",
            where="`kit`",
            expected="a copy of ios_demo/MattingKit",
            next_step="leave `kit` out: the sources are shipped",
        )
    return Path(os.path.relpath(kit.resolve(), project.root)).as_posix()


def _files(project: Project, target: Target, exported: Exported, kit: str | None) -> Iterator[tuple[Path, Shipped]]:
    """All that a target is to hold, by its place."""
    folder = target.folder if target.folder.name == FOLDER else target.folder / FOLDER
    inside = project.name(folder)
    module = kit is not None or project.kit
    if target is project.target:
        found = exported.files(inside)
        yield folder / "ModnetModel.swift", Shipped(swift.constants(exported, kit=module), True)
        if not module and not _has_sources(target):
            for name, data in swift.sources().items():
                yield folder / KIT / name, Shipped(data)
    else:
        found = exported.golden_files(inside)
        test = swift.parity_test(exported, project.target.module, kit=module)
        yield folder / "ModnetParityTests.swift", Shipped(test)
    yield from ((project.root / name, data) for name, data in found.items())


def _has_sources(target: Target) -> bool:
    """Whether the sources are in a target already, and not shipped there by us."""
    return any(path.name == MARK and FOLDER not in path.parts for path in target.files())


def _wrapper(path: Path) -> Path:
    """The package that a file lies in, which counts as one file, or the file."""
    return next((parent for parent in path.parents if parent.suffix == ".mlpackage"), path)


def _require_that_it_runs(project: Project, exported: Exported) -> None:
    """Raise ExportError for a package that MattingKit cannot use, or that is too new for the project."""
    target = project.target
    for artefact in exported.models:
        path = exported.folder / artefact.file
        if artefact.functions:
            raise ExportError(
                f"{artefact.file} has functions for several sizes, and MattingKit runs one size",
                where=path,
                expected="a package of one size",
                next_step="export it without `coreml_multifunction`, or load it by code of your own",
            )
        try:
            said = model.from_package(lambda name, path=path: (path / name).read_bytes())  # type: ignore[misc]
        except (ValueError, OSError) as error:
            raise ExportError(
                f"cannot read {artefact.file}: {error}",
                where=path,
                expected="a whole .mlpackage",
                next_step="export again",
            ) from error
        arrays = [port for port in (*said.inputs, *said.outputs) if not port.is_image]
        if arrays:
            raise ExportError(
                f"{artefact.file} takes and gives arrays: {', '.join(map(str, arrays))}",
                where=path,
                expected="image ports, which are pixel buffers: rows of arrays may be padded",
                next_step="export it with `coreml_io=image`",
            )
        needed, found = max(said.ios, OLDEST), target.oldest_ios
        if found is not None and found < needed:
            raise ExportError(
                f"{artefact.file} needs iOS {needed}, and {target.name} runs on iOS {target.minimum}",
                where=project.form.definition,
                expected=f"a deployment target of iOS {needed} or newer",
                next_step=f"raise the target's to {needed}"
                + (f", or export for an older one: `coreml_target=iOS{OLDEST}`" if needed > OLDEST else ""),
            )
