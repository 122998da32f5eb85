"""One linting of an app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from converters.errors import CheckFailedError, ExportError
from modnet_export.record import manifest
from modnet_export.ship.android.package import Package
from modnet_export.ship.android.project import Project
from modnet_export.ship.lint.finding import Linted, LintResult, Where
from modnet_export.ship.lint.rules import RULES


@dataclass(frozen=True)
class LintRequest:
    """What to lint: a project's folder, an .apk or an .aab.

    ``module``: the app module of a project that has several. ``export``: the exported folder that its models should be
    of; None: what lies in the app's assets says which they are.
    """

    app: Path
    module: str | None = None
    export: Path | None = None


def lint(request: LintRequest) -> LintResult:
    """Every rule's verdict; raises ExportError for what is no app. Nothing is written."""
    hashes = None if request.export is None else {a.file: a.sha256 for a in manifest.load(request.export).artefacts}
    if request.app.is_dir():
        return _linted("project", Project(request.app, request.module), request, hashes)
    if request.app.suffix.lower() not in (".apk", ".aab"):
        raise ExportError(
            f"{request.app.name} is no app" if request.app.exists() else f"there is no {request.app}",
            where=request.app,
            expected="an Android project's folder, an .apk or an .aab",
            next_step="check the path",
        )
    if request.module is not None:
        raise ExportError(
            "modules are a project's",
            where="`module`",
            expected="an Android project's folder",
            next_step="leave `module` out",
        )
    with Package(request.app) as package:
        return _linted(package.kind, package, request, hashes)


def _linted(kind: Where, app: object, request: LintRequest, hashes: Mapping[str, str] | None) -> LintResult:
    given = Linted(app, hashes)
    findings = tuple(rule.finding(kind, given) for rule in RULES)
    return LintResult(app=str(request.app), kind=kind, findings=findings)


def require(result: LintResult) -> None:
    """Raise CheckFailedError where a rule failed."""
    if result.failed:
        raise CheckFailedError(
            f"{len(result.failed)} rule(s) failed: {', '.join(item.rule for item in result.failed)}",
            where=result.app,
            expected="an app in which the model runs, on every phone that it is for",
            next_step=f"first: {result.failed[0].mend}",
        )
