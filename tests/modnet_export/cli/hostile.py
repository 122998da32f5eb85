"""Bad and unusual input, made from a seed: what a command is given, and how it must end."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

DONE, FAILED, BAD = 0, 1, 2
OUT = "out"
"""The one thing in the world that a command may change, whatever is made there."""


@dataclass
class Case:
    """A command line, to be run in ``world``, and the exit codes that are right for it."""

    world: Path
    dist: Path
    rng: random.Random
    arguments: list[str] = field(default_factory=list)
    right: set[int] = field(default_factory=lambda: {DONE})
    about: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def bytes(self, name: str, content: bytes) -> str:
        path = self.world / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def picture(self, name: str = "photo.png", size: tuple[int, int] = (40, 30), **options: Any) -> str:
        pixels = np.random.default_rng(self.rng.randrange(1000)).integers(0, 256, (*size[::-1], 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).convert(options.pop("mode", "RGB")).save(
            buffer, options.pop("format", "PNG"), **options
        )
        return self.bytes(name, buffer.getvalue())

    def model(self, name: str = "modnet_fp32.onnx") -> str:
        """A sound model, whose file is not to be copied for each case."""
        (self.world / name).symlink_to(self.dist / name)
        return name


def case(seed: int, world: Path, dist: Path) -> Case:
    """The case of a seed; its files are made in ``world``."""
    rng = random.Random(seed)
    made = Case(world, dist, rng)
    made.bytes("keep/thesis.tex", b"years of work")
    made.bytes("keep/.hidden", b"")
    made.picture("real.png")
    kinds = (_image, _image, _image, _folder, _option, _option, _model, _model, _checkpoint, _size, _record, _record)
    kinds[seed % len(kinds)](made)
    if rng.random() < 0.2:
        name, value = rng.choice(_ENVIRONMENT)
        made.environment[name] = value
    return made


_ENVIRONMENT = [
    ("COLUMNS", "1"), ("COLUMNS", "0"), ("COLUMNS", "-5"), ("COLUMNS", "many"), ("TERM", "dumb"), ("TERM", ""),
    ("NO_COLOR", "1"), ("FORCE_COLOR", "1"), ("LC_ALL", "C"), ("LANG", "tr_TR.UTF-8"), ("TZ", "nowhere"),
    ("HOME", "/nowhere"), ("MODNET_EXPORT_CACHE", "/proc/nowhere"), ("OMP_NUM_THREADS", "0"),
]  # fmt: skip

_NAMES = [
    "photo.png", "a photo.png", "ФОТО.PNG", "写真.png", "-photo.png", "--help.png", "[bold]a[/].png", "new\nline.png",
    "quote'\".png", "$HOME.png", "*.png", "a" * 240 + ".png", "photo.tar.gz.png", ".png", "photo", "photo.", "🙂.png",
    os.fsdecode(b"caf\xe9.png"), "%s%n.png", "photo.png.exe",
]  # fmt: skip


def _header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def _floats(values: list[float]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array([values] * 4, np.float32)).save(buffer, "TIFF")
    return buffer.getvalue()


def _truncated(made: Case, name: str) -> str:
    whole = (made.world / made.picture("whole.png")).read_bytes()
    return made.bytes(name, whole[: made.rng.randrange(len(whole) - 20)])


def _place(make: Callable[[Path], object]) -> Callable[[Case, str], str]:
    def placed(made: Case, name: str) -> str:
        make(made.world / name)
        return name

    return placed


_IMAGES: dict[str, tuple[Callable[[Case, str], str], int]] = {
    "good": (lambda made, name: made.picture(name), DONE),
    "one pixel": (lambda made, name: made.picture(name, (1, 1)), DONE),
    "a line": (lambda made, name: made.picture(name, (700, 1)), DONE),
    "a column": (lambda made, name: made.picture(name, (1, 700)), DONE),
    "grey": (lambda made, name: made.picture(name, mode="L"), DONE),
    "bilevel": (lambda made, name: made.picture(name, mode="1"), DONE),
    "palette": (lambda made, name: made.picture(name, mode="P", transparency=0), DONE),
    "grey and alpha": (lambda made, name: made.picture(name, mode="LA"), DONE),
    "CMYK": (lambda made, name: made.picture(name, mode="CMYK", format="JPEG"), DONE),
    "LAB": (lambda made, name: made.picture(name, mode="LAB", format="TIFF"), DONE),
    "GIF": (lambda made, name: made.picture(name, mode="P", format="GIF"), DONE),
    "a format of another suffix": (lambda made, name: made.picture(name, format="BMP"), DONE),
    "floats": (lambda made, name: made.bytes(name, _floats([0, 0.5, 1])), DONE),
    "a link": (_place(lambda path: path.symlink_to(path.parent / "real.png")), DONE),
    "floats of 255": (lambda made, name: made.bytes(name, _floats([0, 255])), BAD),
    "not a number": (lambda made, name: made.bytes(name, _floats([0, float("nan")])), BAD),
    "empty": (lambda made, name: made.bytes(name, b""), BAD),
    "text": (lambda made, name: made.bytes(name, b"no image"), BAD),
    "noise": (lambda made, name: made.bytes(name, made.rng.randbytes(5000)), BAD),
    "truncated": (_truncated, BAD),
    "a bomb": (lambda made, name: made.bytes(name, _header(60000, 60000)), BAD),
    "no pixels": (lambda made, name: made.bytes(name, _header(0, 0)), BAD),
    "missing": (lambda made, name: name, BAD),
    "a loop": (_place(lambda path: path.symlink_to(path.name)), BAD),
    "a broken link": (_place(lambda path: path.symlink_to("nowhere")), BAD),
    "a pipe": (_place(os.mkfifo), BAD),
    "an empty folder": (_place(Path.mkdir), BAD),
}  # fmt: skip


def _image(made: Case) -> None:
    kind, name = made.rng.choice(list(_IMAGES)), made.rng.choice(_NAMES)
    make, code = _IMAGES[kind]
    model = made.model(made.rng.choice(["modnet_fp32.onnx", "modnet_fp32.onnx", "modnet_fp16.tflite"]))
    made.about = f"{kind} as {name!r}"
    made.arguments = ["matte", model, "-o", OUT, "--", make(made, name)]
    made.right = {code}


def _folder(made: Case) -> None:
    """Some good, some bad images: the good ones are done, and the bad ones named."""
    kinds = made.rng.sample(list(_IMAGES), 3)
    for index, kind in enumerate(kinds):
        made.world.joinpath("in").mkdir(exist_ok=True)
        _IMAGES[kind][0](made, f"in/{index}.png")
    made.picture("in/deep/er/z.png")
    # What is no file is no image of a folder.
    listed = [kind for kind in kinds if kind not in ("a pipe", "an empty folder", "a loop", "a broken link", "missing")]
    listed = [kind for kind in listed if kind != "a link"]  # its target lies elsewhere
    made.about = f"a folder with {', '.join(kinds)}"
    made.arguments = ["matte", made.model(), "in", "-o", OUT]
    made.right = {max([DONE, *(_IMAGES[kind][1] for kind in listed)])}


_OPTIONS: dict[str, list[tuple[str, int]]] = {
    "--background": [
        ("blur:1e9", 0), ("blur:0", 0), ("blur:nan", 2), ("blur:-1", 2), ("#12", 2), ("rgb(300,0,0)", 0), ("", 2),
        ("hsl(0,100%,50%)", 0), ("nowhere.png", 2), ("keep/thesis.tex", 2), ("keep", 2), ("photo.png", 0), ("\0", 2),
        ("transparent ", 2), ("x" * 5000, 2), ("#ffffff80", 0), ("blur:1e-300", 0),
    ],
    "--fit": [("stretch", 0), ("released", 0), ("letterbox", 0), ("squeeze", 2), ("", 2)],
    "--threads": [("1", 0), ("0", 2), ("-1", 2), ("two", 2), ("1e3", 2), ("9" * 30, 2), ("2.5", 2)],
    "--input-range": [("0..1", 0), ("0..255", 2), ("", 2)],
    "--compute-unit": [("ALL", 0), ("NEURAL", 2)],
    "--out": [
        ("out/", 0), ("out.jpg", 2), ("keep/thesis.tex/x", 2), ("photo.png", 2), (".", 2), ("", 2), ("/proc/no/x", 2),
        ("out/a/b/c", 0), ("out.png", 0), ("a\0b", 2),
    ],
    "--nonsense": [("1", 2)],
}  # fmt: skip


def _option(made: Case) -> None:
    option = made.rng.choice(list(_OPTIONS))
    value, code = made.rng.choice(_OPTIONS[option])
    made.about = f"matte {option} {value[:40]!r}"
    made.arguments = ["matte", made.model(), made.picture(), "-o", OUT, option, value]
    made.right = {code}


def _damaged(made: Case, name: str) -> bytes:
    """A model's file, cut off or with some of its first bytes changed (its weights may have any values)."""
    source = made.dist / name
    data = bytearray(source.read_bytes()[: made.rng.choice([0, 1, 8, 100, 5000, 200_000])])
    for _ in range(made.rng.choice([0, 0, 1, 20])):
        if data:
            data[made.rng.randrange(min(len(data), 4000))] = made.rng.randrange(256)
    return bytes(data)


def _model(made: Case) -> None:
    """A damaged or a wrong model, in each command that takes one."""
    command = made.rng.choice([["matte"], ["inspect"], ["inspect", "--json"], ["explain"], ["export", "--checkpoint"]])
    suffix = made.rng.choice([".onnx", ".ONNX", ".tflite", ".mlpackage", ".ckpt", ".safetensors", ".pt", "", ".zip"])
    kind = made.rng.choice(["damaged", "text", "folder", "missing", "picture", "pipe"])
    name = f"model{suffix}"
    if kind == "damaged":
        made.bytes(name, _damaged(made, made.rng.choice(["modnet_fp32.onnx", "modnet_fp16.tflite"])))
    elif kind == "text":
        made.bytes(name, b"\x08\x01" if made.rng.random() < 0.5 else b"version https://git-lfs.github.com/spec/v1\n")
    elif kind == "folder":
        made.bytes(f"{name}/Manifest.json", made.rng.choice([b"", b"{}", b'{"itemInfoEntries": {"a": {}}}']))
    elif kind == "picture":
        made.picture(name)
    elif kind == "pipe":
        os.mkfifo(made.world / name)
    made.about = f"{' '.join(command)} of a {kind}, {suffix or 'no suffix'}"
    made.arguments = [*command, name]
    if command == ["matte"]:
        made.arguments += [made.picture(), "-o", OUT]
    if command[0] == "export":
        made.arguments += ["--size", "96x128", "--formats", "onnx", "--out", OUT]
    made.right = {BAD}


def _checkpoint(made: Case) -> None:
    """What is no state dict of MODNet."""
    import pickle

    import torch

    content: Any = made.rng.choice(
        [{}, [], "text", {"state_dict": {}}, {"a": torch.zeros(3)}, {1: 2}, {"backbone.x": None}, torch.zeros(2), None]
    )
    suffix = made.rng.choice([".ckpt", ".pth", ".PT", ".safetensors"])
    buffer = io.BytesIO()
    made.rng.choice([torch.save, pickle.dump])(content, buffer)
    made.bytes(f"weights{suffix}", buffer.getvalue())
    command = made.rng.choice(["export", "matte"])
    made.about = f"{command} of {content!r}"[:60] + suffix
    made.arguments = (
        ["export", "--checkpoint", f"weights{suffix}", "--size", "64", "--formats", "onnx", "--out", OUT]
        if command == "export"
        else ["matte", f"weights{suffix}", made.picture(), "-o", OUT]
    )
    made.right = {BAD}


_REFUSED: list[list[str]] = [
    ["--size", "64x99999968"], ["--size", "0"], ["--size", "-32"], ["--size", "1e3"], ["--size", "32x"], ["--size", ""],
    ["--size", "９６"], ["--size", "9" * 5000], ["--formats", "onnx,,"], ["--formats", ""], ["--formats", "ONNX"],
    ["--precisions", "fp32,fp12"], ["--precisions", "int8", "--formats", "coreml", "--budget", "mad<=1"],
    ["--budget", "mad<=nan"], ["--budget", "speed<=1"], ["--budget", "mad<=0.1"], ["--tolerance", "mad"],
    ["--tolerance", "nonsense=1"], ["--tolerance", "keep/thesis.tex"], ["--calibration", "nowhere"],
    ["--calibration", "keep"], ["--tune", "npu"], ["--coreml-target", "iOS9"], ["--checkpoint", "nowhere.onnx"],
    ["--checkpoint", ""], ["--checkpoint", "keep"], ["--checkpoint", "a\0b"], ["--input-range", "0..1"],
    ["--pareto", "p.png"], ["extra"], ["--precisions", "w8a8", "--formats", "coreml"], ["--json=1"], ["--out", "keep"],
    ["--out", "keep/thesis.tex"], ["--out", "/proc/nowhere/d"], ["--out", ""], ["--out", "a\0b"], ["--out", "/"],
]  # fmt: skip


def _size(made: Case) -> None:
    """Options that ``export`` refuses."""
    refused = made.rng.choice(_REFUSED)
    made.about = f"export {' '.join(refused)}"[:60]
    made.arguments = ["export", "--size", "64", "--formats", "onnx", "--out", OUT, *refused]
    made.right = {BAD}


def _changed(made: Case, value: Any) -> Any:
    """A JSON value with one thing in it changed, left out or added."""
    odd = [None, True, -1, 0, 1e308, 10**400, "", "x", [], {}, "../../etc/passwd", "\ud800", [[[]]]]
    if isinstance(value, dict) and value and made.rng.random() < 0.85:
        key = made.rng.choice(list(value))
        if made.rng.random() < 0.2:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: _changed(made, value[key])}
    if isinstance(value, list) and value and made.rng.random() < 0.85:
        index = made.rng.randrange(len(value))
        return [*value[:index], _changed(made, value[index]), *value[index + 1 :]]
    return made.rng.choice(odd)


def _record(made: Case) -> None:
    """A JSON file that somebody edited, or that is none, in each command that reads one."""
    whole = json.loads((made.dist / "manifest.json").read_text())
    text = json.dumps(_changed(made, whole)) if made.rng.random() < 0.7 else made.rng.choice(_NO_JSON)
    made.bytes("dist/manifest.json", text.encode("utf-8", "surrogatepass"))
    for name in ("modnet_fp32.onnx", "modnet_opt_fp32.onnx", "modnet_fp32.tflite", "modnet_fp16.tflite"):
        (made.world / "dist" / name).symlink_to(made.dist / name)
    command = made.rng.choice(
        [
            ["bench", "dist", "--artefact", "nothing.tflite"],
            ["compare", "dist/manifest.json", "dist/manifest.json"],
            ["verify", "dist", "--checkpoint", "nowhere.ckpt"],
            ["verify", "dist", "--import", "dist/manifest.json"],
            ["verify", "dist", "--baseline", "dist/manifest.json"],
            ["verify", "dist", "--tolerance", "dist/manifest.json"],
            ["report", "dist", "--results", "dist/manifest.json", "-o", f"{OUT}.html"],
            ["report", "dist", "--bench", "dist/manifest.json", "-o", f"{OUT}.html"],
            ["export", "--formats", "onnx", "--precisions", "fp16", "--out", "dist"],
        ]
    )
    made.about = f"{' '.join(command)} with {text[:40]!r}"
    made.arguments = command
    made.right = {FAILED, BAD}  # an edited hash is a failed check


_NO_JSON = [
    "",
    "null",
    "[]",
    "{",
    '{"schema_version": 99}',
    '{"schema_version": NaN}',
    "[" * 100_000,
    "\ufeff{}",
    "1e999",
]


def tree(folder: Path) -> dict[str, bytes | str]:
    """Everything below a folder but what stands in ``OUT``: contents of files, targets of links, kinds of others."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.split("/")[0].split(".")[0] == OUT:
            continue
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_bytes()
        else:
            found[name] = "folder" if path.is_dir() else "neither"
    return found


def remove(folder: Path) -> None:
    shutil.rmtree(folder)
