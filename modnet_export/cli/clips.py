"""``modnet-export matte`` on clips and on a webcam."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.errors import ExportError
from modnet_export.terminal.console import escape, say, say_json
from modnet_export.terminal.progress import stages

if TYPE_CHECKING:
    from modnet_export.cli.matte import MatteOptions
    from modnet_export.images.compositing import Background
    from modnet_export.images.video.run import ClipDone
    from modnet_export.record.choices import VideoCodec


def among(given: Sequence[Path]) -> list[Path]:
    """The clips among what was given, and those in folders that have no image; raises ExportError for a mixture."""
    from modnet_export.images import imaging
    from modnet_export.images.video import reading

    def below(folder: Path, suffixes: frozenset[str]) -> list[Path]:
        return sorted(item for item in folder.rglob("*") if item.suffix.lower() in suffixes and item.is_file())

    found: list[Path] = []
    images = 0
    for path in given:
        if not path.is_dir():
            clips = [path] if path.suffix.lower() in reading.SUFFIXES else []
        else:
            clips = [] if below(path, imaging.SUFFIXES) else below(path, reading.SUFFIXES)
        found += clips
        images += not clips
    if found and images:
        raise ExportError(
            "images and clips are written in different ways",
            where=found[0],
            expected="only images, or only clips",
            next_step="run once for each",
        )
    return list(dict.fromkeys(found))


def matte(options: MatteOptions) -> None:
    """Write each clip's mattes or composites; one that fails does not stop the others."""
    from modnet_export.cli.inputs import refuse
    from modnet_export.images.compositing import Background
    from modnet_export.images.matting import open_matting
    from modnet_export.images.video.camera import Camera
    from modnet_export.images.video.reading import open_clip
    from modnet_export.images.video.run import ClipRequest, matte_clip
    from modnet_export.images.video.writing import require_encoder

    background = None if options.background is None else Background.parse(options.background)
    live = options.camera is not None
    if live:
        refuse(options, ("images", "start"), "no `camera`")
    clips = among(options.images or [])
    codec = _codec(options, background, 1 if live else len(clips))
    require_encoder(codec)
    names = [Path(f"camera {options.camera}")] if live else clips
    targets = _targets(names, options.out, codec)
    request = ClipRequest(
        codec,
        background,
        options.temporal or "flow",
        Fraction(options.start or 0).limit_denominator(1_000_000),
        None if options.duration is None else Fraction(options.duration).limit_denominator(1_000_000),
        _size(options.size),
    )
    matting = open_matting(options.request())
    rows: list[dict[str, Any]] = []
    stopped = False
    with stages() as progress:
        for clip, target in zip(names, targets, strict=True):
            row: dict[str, Any] = {"clip": str(clip), "out": str(target), "error": None}
            rows.append(row)
            try:
                source = open_clip(clip) if options.camera is None else Camera(options.camera)
                done = matte_clip(source, matting, request, target, progress)
            except ExportError as error:
                row |= {"out": None, "error": str(error)}
                continue
            row |= _told(done)
            stopped = done.interrupted
            if stopped:
                break
    _say(options, rows, matting.engine)
    if stopped and not live:
        raise KeyboardInterrupt


def _told(done: ClipDone) -> dict[str, Any]:
    return {
        "frames": done.frames,
        "seconds": round(done.seconds, 3),
        "frames_per_second": round(done.frames_per_s, 2),
        "interrupted": done.interrupted,
    }


def _say(options: MatteOptions, rows: list[dict[str, Any]], engine: str) -> None:
    """What was written; raises ExportError where a clip failed."""
    failed = [row["error"] for row in rows if row["error"]]
    if options.as_json:
        say_json(json.dumps({"engine": engine, "clips": rows}, indent=2))
    else:
        for row in rows:
            if not row["error"]:
                begun = "the first " if row["interrupted"] and options.camera is None else ""
                pace = f"{row['frames']} frames, {row['frames_per_second']:.1f} frames/s"
                say(escape(f"Wrote {begun}{pace} to {row['out']}, {engine}."))
    if len(failed) == len(rows) == 1:
        raise ExportError(failed[0])
    if failed:
        raise ExportError("\n".join([f"{len(failed)} of {len(rows)} clip(s) failed:", *failed]))


def _codec(options: MatteOptions, background: Background | None, count: int) -> VideoCodec:
    """By ``codec``, else by the name of ``out``, else by the background; raises ExportError where these disagree."""
    from modnet_export.images.video.writing import ENCODINGS, SUFFIXES

    out, transparent = options.out, background is not None and background.transparent
    to_file = bool(out.suffix) and not out.is_dir()
    fitting = SUFFIXES.get(out.suffix.lower()) if to_file else None
    if to_file and fitting is None:
        raise ExportError(
            f"{out.name} is not a name for a clip",
            where="`out`",
            expected=f"a name that ends in {', '.join(SUFFIXES)}, or a folder",
            next_step=f"`out={out.with_suffix('.webm' if transparent else '.mp4')}`",
        )
    if to_file and count > 1:
        raise ExportError(
            f"{count} clips cannot be written to one file",
            where=out,
            expected="a folder",
            next_step="name one: `out=FOLDER`",
        )
    codec = options.codec or (fitting[0] if fitting else "vp9" if transparent else "h264")
    if fitting is not None and codec not in fitting:
        raise ExportError(
            f"a {out.suffix.lower()} file here holds {' or '.join(fitting)}, not {codec}",
            where="`codec`",
            expected="a codec and a name that belong together",
            next_step="`out=FOLDER`, for numbered PNGs"
            if codec == "png"
            else f"`out={out.with_suffix(ENCODINGS[codec].suffix)}`",
        )
    if transparent and codec != "png" and ENCODINGS[codec].alpha is None:
        raise ExportError(
            f"{codec} has no alpha",
            where="`background=transparent`",
            expected="vp9 (.webm), prores (.mov) or png, or another background",
            next_step=f"`out={out.with_suffix('.webm')}`",
        )
    return codec


def _targets(clips: list[Path], out: Path, codec: VideoCodec) -> list[Path]:
    """Where each clip goes; raises ExportError where that would replace a clip, or mix numbered frames with older."""
    from modnet_export.cli.matte import keep_inputs, named_after
    from modnet_export.images.video.writing import ENCODINGS

    if codec == "png":
        targets = [out] if len(clips) == 1 else [path.with_suffix("") for path in named_after(clips, out)]
        for folder in targets:
            if folder.is_dir() and any(re.fullmatch(r"\d{6,}\.png", item.name) for item in folder.iterdir()):
                raise ExportError(
                    f"{folder} already has numbered frames",
                    where="`out`",
                    expected="a folder without any, so that those of two clips do not mix",
                    next_step="choose another folder, or remove them",
                )
        return targets
    if out.suffix and not out.is_dir():
        targets = [out]
    else:
        targets = [path.with_suffix(ENCODINGS[codec].suffix) for path in named_after(clips, out)]
    keep_inputs(clips, targets)
    return targets


def _size(text: str | None) -> tuple[int, int] | None:
    """``HEIGHTxWIDTH`` or one number for both; raises ExportError."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text.lower())
    if found is None:
        raise ExportError(
            f"'{text}' is not the size of a clip",
            where="`size`",
            expected="HEIGHTxWIDTH in pixels, or one number for both",
            next_step="for example `size=720x1280`",
        )
    return int(found[1]), int(found[2] or found[1])
