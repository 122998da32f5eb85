"""The colours of diagrams."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from modnet_export.report.plots import PALETTE, style

# Machado, Oliveira, Fernandes (IEEE TVCG 2009), severity 1.0: what is seen of linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB, white D65."""
    x, y, z = TO_XYZ @ rgb.clip(0, 1) / (0.9505, 1, 1.089)
    f = [np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_of_series_are_told_apart(sight, scheme):
    seen = [lab(np.array(SIGHT[sight]) @ linear(pair[scheme])) for pair in PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 20


@pytest.mark.parametrize(("scheme", "paper"), [(0, "#ffffff"), (1, "#14171b")])
def test_curves_stand_out_from_the_page(scheme, paper):
    def luminance(colour):
        return float(TO_XYZ[1] @ linear(colour)) + 0.05

    for pair in PALETTE:
        darker, lighter = sorted((luminance(pair[scheme]), luminance(paper)))
        assert lighter / darker >= 3  # WCAG 2.1, 1.4.11


def test_the_first_24_series_of_a_diagram_all_look_different():
    assert len({tuple(style(index).values()) for index in range(24)}) == 24
