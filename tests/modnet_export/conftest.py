"""Fixtures of several packages here."""

from __future__ import annotations

from pathlib import Path

import pytest

BUDGET = 0.006
"""The mean difference that ``integer``'s searches may leave."""


@pytest.fixture(scope="session")
def integer(shared) -> Path:
    """int8, int8-mixed and their parents at 160x192 in ``dist``, its searches in ``cache``, and a plot. Read only."""
    chosen = ["--formats", "onnx,tflite", "--precisions", "fp32,int8,int8-mixed,int4-weights", "--size", "160x192"]
    # In so small a picture the demo network is too unsure for the usual budgets.
    chosen += ["--budget", f"mad<={BUDGET}", "--tolerance", "mad=0.1"]

    def make(folder: Path) -> None:
        from modnet_export.cli import main

        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
            patch.setenv("MODNET_EXPORT_CACHE", str(folder / "cache"))
            main(["export", *chosen, "--pareto", str(folder / "pareto.png"), "--out", str(folder / "dist")])
        assert not stop.value.code

    return shared("integer", make)
