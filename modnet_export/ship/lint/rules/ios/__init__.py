"""The rules for iOS, in the order in which they are shown."""

from __future__ import annotations

from modnet_export.ship.lint.rules.ios import of_app, of_models

RULES = (*of_models.RULES, *of_app.RULES)
