"""The rules, in the order in which they are shown."""

from __future__ import annotations

from modnet_export.ship.lint.rules import of_build, of_manifest, of_models, of_native

RULES = (*of_models.RULES, *of_manifest.RULES, *of_build.RULES, *of_native.RULES)
