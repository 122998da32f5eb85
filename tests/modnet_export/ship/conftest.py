from __future__ import annotations

import pytest

from tests.modnet_export.ship.apps import Apps


@pytest.fixture
def apps(tmp_path) -> Apps:
    return Apps(tmp_path)
