from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from modnet_export.cli.matte import named_after


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40), "teal").save(path)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("out", ["same", "same/a.png", "link", "same/../same"])
def test_photographs_are_never_replaced_by_their_mattes(run, dist, tmp_path, out):
    for name in ("a.png", "b.png"):
        picture(tmp_path / "same" / name)
    (tmp_path / "link").symlink_to(tmp_path / "same")
    before = tree(tmp_path / "same")
    images = [tmp_path / "same" / "a.png"] if out.endswith(".png") else [tmp_path / "same"]
    code, _, err = run("matte", dist / "modnet_fp32.onnx", *images, "-o", tmp_path / out)
    assert code == 2
    assert "would be replaced by a matte" in err
    assert tree(tmp_path / "same") == before


def test_images_of_one_name_in_several_folders_are_all_written(run, dist, tmp_path):
    for name in ("photos/grey.png", "few/grey.png", "photos/more/grey.png"):
        picture(tmp_path / name)
    code, out, _ = run(
        "matte", dist / "modnet_fp32.onnx", tmp_path / "photos", tmp_path / "few", "-o", tmp_path / "out"
    )
    assert code == 0
    assert "Wrote 3 image(s)" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "photos_grey_png.png",
        "few_grey_png.png",
        "more_grey_png.png",
    }


def test_earlier_results_below_the_folder_are_no_photographs(run, dist, tmp_path):
    picture(tmp_path / "photos" / "a.png")
    arguments = ("matte", dist / "modnet_fp32.onnx", tmp_path / "photos", "-o", tmp_path / "photos" / "out")
    assert [run(*arguments)[0] for _ in range(2)] == [0, 0]
    assert [path.name for path in (tmp_path / "photos" / "out").iterdir()] == ["a.png"]


@pytest.mark.parametrize("name", ["cut.jpg", "cut.xyz", "cut.PDF"])
def test_a_file_of_another_kind_is_refused(run, dist, tmp_path, name):
    photo = picture(tmp_path / "photo.png")
    code, _, err = run("matte", dist / "modnet_fp32.onnx", photo, "-o", tmp_path / name)
    assert (code, (tmp_path / name).exists()) == (2, False)
    assert "--out" in err


NAMES = st.sampled_from(["a", "b", "a_png", "x_a_png"])
PATHS = st.builds(
    lambda folders, name, suffix: Path("/r", *folders, f"{name}.{suffix}"),
    st.lists(st.sampled_from(["x", "y"]), max_size=3),
    NAMES,
    st.sampled_from(["png", "jpg"]),
)


@given(st.lists(PATHS, min_size=1, max_size=12, unique=True))
def test_every_image_has_a_target_of_its_own(paths):
    targets = named_after(paths, Path("/out"))
    assert len({str(target).casefold() for target in targets}) == len(paths)
    assert all(target.parent == Path("/out") and target.suffix == ".png" for target in targets)
