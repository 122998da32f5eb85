"""One linting of an app."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.errors import CheckFailedError, ExportError
from modnet_export.record import manifest
from modnet_export.ship.android.package import Package
from modnet_export.ship.android.project import Project, is_project
from modnet_export.ship.ios import bundle
from modnet_export.ship.ios import project as ios
from modnet_export.ship.lint.finding import Linted, LintResult, Rule, Where
from modnet_export.ship.lint.rules import RULES
from modnet_export.ship.lint.rules.ios import RULES as IOS_RULES


@dataclass(frozen=True)
class LintRequest:
    """What to lint: an Android or iOS project's folder, an .apk, an .aab, an .app folder or an .ipa.

    ``module``: the app module of an Android project that has several; ``target``: the target of an iOS project.
    ``export``: the exported folder that its models should be of; None: what lies in the app says which they are.
    """

    app: Path
    module: str | None = None
    export: Path | None = None
    target: str | None = None


def lint(request: LintRequest) -> LintResult:
    """Every rule's verdict; raises ExportError for what is no app. Nothing is written."""
    export = None if request.export is None else manifest.load(request.export)
    suffix = request.app.suffix.lower()
    if request.app.is_dir() and suffix != ".app":
        if _is_for_ios(request):
            made = ios.Project(request.app, request.target)
            return _linted("project", made, request, export, IOS_RULES)
        return _linted("project", Project(request.app, request.module), request, export, RULES)
    for setting, value in (("module", request.module), ("target", request.target)):
        if value is not None and suffix in (".apk", ".aab", ".app", ".ipa"):
            raise ExportError(
                f"only a project has {setting}s",
                where=f"`{setting}`",
                expected="a project's folder",
                next_step=f"leave `{setting}` out",
            )
    if suffix in (".apk", ".aab"):
        with Package(request.app) as package:
            return _linted(package.kind, package, request, export, RULES)
    if suffix == ".ipa" or request.app.is_dir():
        with bundle.opened(request.app) as app:
            return _linted(app.kind, app, request, export, IOS_RULES)
    raise ExportError(
        f"{request.app.name} is not an app" if request.app.exists() else f"there is no {request.app}",
        where=request.app,
        expected="an Android or iOS project's folder, an .apk, an .aab, an .app or an .ipa",
        next_step="check the path",
    )


def _is_for_ios(request: LintRequest) -> bool:
    """Whether a project's folder is iOS'; raises ExportError where it has both, or what is asked for is the other's."""
    if request.target is not None:
        return True
    if request.module is not None or not ios.is_project(request.app):
        return False
    if is_project(request.app):
        inner = [request.app / name for name in ("android", "ios") if (request.app / name).is_dir()]
        raise ExportError(
            f"{request.app} has an Android project and an iOS project",
            where=request.app,
            expected="one of them",
            next_step=f"lint {' and then '.join(map(str, inner))}" if inner else "name one by `module` or `target`",
        )
    return True


def _linted(
    kind: Where, app: object, request: LintRequest, export: manifest.Manifest | None, rules: Sequence[Rule]
) -> LintResult:
    given = Linted(app, export)
    findings = tuple(rule.finding(kind, given) for rule in rules)
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
