"""Images and a dataset for verifications of the small exported chain."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import demo_photo


@pytest.fixture(scope="package")
def photos(tmp_path_factory) -> Path:
    """Ten crops of the built-in portrait, of different sizes."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(10):
        save_image(folder / f"p{index}.png", demo_photo()[index * 5 : 300 + index * 20, index * 10 : 260 + index * 25])
    return folder


@pytest.fixture(scope="package")
def dataset(tmp_path_factory) -> Path:
    """P3M's layout, with the reference's own mattes (blurred) as the truth."""
    from modnet_export.images.matting import MattingRequest, open_matting

    folder = tmp_path_factory.mktemp("p3m")
    (folder / "original_image").mkdir()
    (folder / "mask").mkdir()
    matting = open_matting(MattingRequest("demo"))
    for index in range(3):
        photo = demo_photo()[: 400 - 40 * index, index * 20 :]
        save_image(folder / "original_image" / f"{index}.jpg.png", photo)
        matte = cv2.GaussianBlur(matting.matte(photo), (9, 9), 2)
        save_image(folder / "mask" / f"{index}.jpg.png", matte)
    return folder
