"""What a rule says about an app."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import model_validator

from converters.errors import few
from modnet_export.record.manifest import Manifest
from modnet_export.record.strict import Strict

Where = Literal["project", "apk", "aab", "app", "ipa"]
Verdict = Literal["passed", "failed", "warning", "cannot be decided here"]
"""A warning is of what works, and could be better."""


class Finding(Strict):
    """One rule's verdict; ``mend`` says what to do where it is not passed."""

    rule: str
    verdict: Verdict
    place: str
    """A file, in the app where it lies in one; the app itself where a whole is meant."""
    reason: str
    mend: str | None
    decided_in: tuple[Where, ...]
    """The forms of an app in which this rule can be decided."""


class LintResult(Strict):
    """Every rule's finding, in the order of the rules."""

    app: str
    kind: Where
    findings: tuple[Finding, ...]

    @model_validator(mode="after")
    def _passes_only_what_can_be_decided(self) -> LintResult:
        for item in self.findings:
            if item.verdict == "passed" and self.kind not in item.decided_in:
                raise ValueError(f"{item.rule} cannot be decided in a {self.kind}")
        return self

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(item for item in self.findings if item.verdict == "failed")


@dataclass(frozen=True)
class Linted:
    """What is linted: an open app, and the export that its models should be of; None: not known."""

    app: Any
    export: Manifest | None

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 that each model should have, by its file's name; none where they are not known."""
        return {} if self.export is None else {item.file: item.sha256 for item in self.export.artefacts}


@dataclass(frozen=True)
class Outcome:
    """What a check found. ``mend`` None: what the rule says is to be done."""

    verdict: Verdict
    place: str
    reason: str
    mend: str | None = None


def passed(place: str, reason: str) -> Outcome:
    return Outcome("passed", place, reason)


def failed(place: str, reason: str, mend: str | None = None) -> Outcome:
    return Outcome("failed", place, reason, mend)


def warned(place: str, reason: str, mend: str | None = None) -> Outcome:
    return Outcome("warning", place, reason, mend)


def undecided(place: str, reason: str, mend: str | None = None) -> Outcome:
    return Outcome("cannot be decided here", place, reason, mend)


@dataclass(frozen=True)
class Rule:
    """A rule, and how it is checked in each form of an app."""

    name: str
    mend: str
    decided_in: tuple[Where, ...]
    """Where it can be decided; a check elsewhere may find a fault all the same, and never passes."""
    checks: dict[Where, Callable[[Linted], Outcome]]

    def finding(self, kind: Where, given: Linted) -> Finding:
        outcome = self.checks[kind](given)
        return Finding(
            rule=self.name,
            verdict=outcome.verdict,
            place=outcome.place,
            reason=outcome.reason,
            mend=None if outcome.verdict == "passed" else outcome.mend or self.mend,
            decided_in=self.decided_in,
        )


def listed(names: Iterable[str]) -> str:
    """Some names for one cell of a table."""
    return few(list(names), 3)
