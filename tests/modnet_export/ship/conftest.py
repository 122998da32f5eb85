from __future__ import annotations

from pathlib import Path

import pytest

from modnet_export.ship.android.shipping import ShipRequest, ship
from modnet_export.ship.changes import Shipment
from tests.modnet_export.ship.apps import Apps
from tests.modnet_export.ship.exports import export
from tests.modnet_export.ship.projects import project


@pytest.fixture
def apps(tmp_path) -> Apps:
    return Apps(tmp_path)


@pytest.fixture
def an_export(tmp_path) -> Path:
    return export(tmp_path / "an export")


@pytest.fixture
def app(tmp_path) -> Path:
    return project(tmp_path / 'it\'s "my" app')


@pytest.fixture
def shipped(app, an_export):
    """Ship models by their names, and how it was planned."""

    def call(*models: str, force: bool = False, **options: object) -> Shipment:
        names = models or ("modnet_fp16.tflite",)
        plan = ship(ShipRequest(app, tuple(an_export / name for name in names), **options))  # type: ignore[arg-type]
        plan.carry_out(force=force)
        return plan

    return call
