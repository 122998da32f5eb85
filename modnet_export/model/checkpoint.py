"""Loading weights, without ever unpickling code."""

from __future__ import annotations

import contextlib
import math
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors import SafetensorError, safe_open

from converters.errors import ExportError, ExportWarning, few, reason
from modnet_export.model import hub
from modnet_export.record.choices import InputRange
from modnet_export.record.files import sha256
from modnet_export.record.manifest import SourceRecord

if TYPE_CHECKING:
    from torch import Tensor

    from modnet_export.model.network import MODNet

EMBEDDED = "demo"
_TWIN_PREFIX = "lr_branch."
_TWIN = f"{_TWIN_PREFIX}backbone."
# What a BatchNorm counts and nothing trains.
_COUNTED = ("running_mean", "running_var", "num_batches_tracked")
# A key that no other network has: what stands before it is the prefix of a wrapper (DataParallel, Lightning, ...).
TELLING = "hr_branch.tohr_enc2x.layers.0.weight"
# How deep training scripts keep a state dict in what they save.
_DEEPEST = 3
_SHOWN = 12


@dataclass(frozen=True)
class Source:
    """Where the weights come from: ``name`` is what the user gave, ``path`` the file, and ``sha256`` its hash."""

    name: str
    path: Path
    sha256: str
    kind: Literal["checkpoint", "onnx"]
    input_range: InputRange | None = None
    """What an ONNX model takes; None: as its graph tells."""


def names() -> tuple[str, ...]:
    """The names of the checkpoints that need no path."""
    return (EMBEDDED, *hub.OFFICIAL)


def resolve(name: str, input_range: InputRange | None = None) -> Source:
    """The file behind ``demo``, an official name (downloaded once) or a path; raises ExportError."""
    if name == EMBEDDED:
        path = _embedded()
    elif name in hub.OFFICIAL:
        path = hub.fetch(hub.OFFICIAL[name])
    else:
        path = Path(name)
    if not path.is_file():
        raise ExportError(
            f"there is no checkpoint '{name}'",
            where=path,
            expected=f"one of {', '.join(names())}, or the path of a .ckpt, .pth, .pt, .safetensors or .onnx file",
            next_step=f"check the path, or take the embedded checkpoint: {EMBEDDED}",
        )
    if path.suffix.lower() == ".onnx":
        return Source(name, path, sha256(path), "onnx", input_range)
    return Source(name, path, sha256(path), "checkpoint")


def _embedded() -> Path:
    return Path(str(resources.files("modnet_export") / "data" / "modnet_demo.safetensors"))


@dataclass(frozen=True)
class Layers:
    """How large the released network is."""

    parameters: int
    convolutions: int


def layers() -> Layers:
    """The released network's layers, by the header of the embedded checkpoint: without PyTorch, which loads slowly."""
    with safe_open(_embedded(), "numpy") as file:
        shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118 - it is no dictionary
    trained = [shape for key, shape in shapes.items() if not key.startswith(_TWIN) and not key.endswith(_COUNTED)]
    return Layers(sum(map(math.prod, trained)), sum(len(shape) == 4 for shape in trained))


def recorded(record: SourceRecord, instead: str | None = None) -> Source:
    """The source that a manifest names, or the one that is given ``instead``; raises ExportError where it is gone."""
    name = instead or record.name
    if instead is None and name not in names() and not Path(name).is_file():
        raise ExportError(
            f"the checkpoint '{name}' that this folder was exported from is not here",
            where=Path(name).absolute(),
            expected=f"the file with SHA-256 {record.sha256}",
            next_step="name its new place: `checkpoint=PATH`",
        )
    return resolve(name, record.input_range)


def _is_torchscript(path: Path) -> bool:
    """Whether a file is an archive with code, as torch.jit.save writes it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _state_dicts(loaded: Mapping[Any, Any], name: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every MODNet in what a training script saved, without the prefix of its keys, and where it was found."""
    for key in loaded:
        if isinstance(key, str) and key.endswith(TELLING):
            prefix = key.removesuffix(TELLING)
            own = {str(other): value for other, value in loaded.items() if str(other).startswith(prefix)}
            yield f"{name}{prefix}", {other.removeprefix(prefix): value for other, value in own.items()}
        elif isinstance(loaded[key], Mapping) and depth < _DEEPEST:
            yield from _state_dicts(loaded[key], f"{name}{key}.", depth + 1)


def _unwrapped(loaded: Mapping[Any, Any], path: Path) -> Mapping[str, Any]:
    """The state dict among what was saved: the average of the weights ("ema"), where a script keeps one."""
    found = sorted(_state_dicts(loaded), key=lambda item: "ema" not in item[0].lower())
    if not found:
        return next((value for value in loaded.values() if isinstance(value, Mapping)), loaded)
    if len(found) > 1:
        names = [name.rstrip(".") for name, _ in found]
        warnings.warn(
            f"{path.name} holds MODNet {len(found)} times; '{names[0]}' is used, and left out: {few(names[1:], 3)}",
            ExportWarning,
            stacklevel=2,
        )
    return found[0][1]


def _read(path: Path) -> Mapping[str, Any]:
    import torch
    from safetensors.torch import load_file

    if path.suffix.lower() == ".pdparams":
        raise ExportError(
            f"{path.name} is a pickle of PaddlePaddle, and this tool never unpickles code",
            where=path,
            expected="PyTorch's weights, or an ONNX model",
            next_step="export it with paddle2onnx, and pass the .onnx file",
        )
    if _is_torchscript(path):
        raise ExportError(
            f"{path.name} is TorchScript, which is a program, and this tool never runs programs from files",
            where=path,
            expected="the weights alone",
            next_step=f"if you trust the file: torch.save(torch.jit.load({path.name!r}).state_dict(), 'weights.ckpt')",
        )
    try:
        is_safe = path.suffix.lower() == ".safetensors"
        loaded: Any = load_file(path) if is_safe else torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        if module := re.search(r"Unsupported global: GLOBAL (\S+)", str(error)):
            raise ExportError(
                f"{path.name} holds Python objects ({module[1]}), and this tool never unpickles code",
                where=path,
                expected="the weights alone",
                next_step=f"if you trust the file: torch.save(torch.load({path.name!r}, weights_only=False)"
                ".state_dict(), 'weights.ckpt'), with the code of that class importable",
            ) from error
        raise ExportError(
            f"cannot read {path.name} as a checkpoint: {reason(error)}",
            where=path,
            expected="a PyTorch state dict of plain tensors (.ckpt, .pth, .pt), or safetensors",
            next_step="download or copy the file again; if it holds more than tensors and you trust it, save "
            "torch.save(model.state_dict(), ...), because this tool never unpickles code",
        ) from error
    if isinstance(loaded, Mapping):
        return _unwrapped(loaded, path)
    raise ExportError(
        f"{path.name} holds a {type(loaded).__name__}",
        where=path,
        expected="a state dict",
        next_step="save torch.save(model.state_dict(), ...) and pass that file",
    )


def _problems(found: Mapping[str, Any], expected: Mapping[str, Tensor]) -> list[str]:
    import torch

    # Some tools drop the BatchNorm counters, which inference does not read.
    missing = [key for key in expected if key not in found and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in found if key not in expected]
    shapes = {key: tuple(getattr(found[key], "shape", ())) for key in expected if key in found}
    misshapen = [
        f"{key} is {shapes[key]}, expected {tuple(expected[key].shape)}"
        for key in shapes
        if shapes[key] != tuple(expected[key].shape)
    ]
    not_finite = [
        key
        for key, value in found.items()
        if key in expected and isinstance(value, torch.Tensor) and not torch.isfinite(value).all()
    ]
    lines: list[str] = []
    for label, items in (
        ("missing", missing),
        ("unexpected", unexpected),
        ("misshapen", misshapen),
        ("not finite", not_finite),
    ):
        if items:
            lines.append(f"  {len(items)} {label}:")
            lines += [f"    {item}" for item in items[:_SHOWN]]
            lines += [f"    ... and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return lines


def _canonical(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The state dict with the backbone under both of its names."""
    state = {str(key): value for key, value in raw.items()}
    for key in [key for key in state if key.startswith(("backbone.", _TWIN))]:
        twin = key[len(_TWIN_PREFIX) :] if key.startswith(_TWIN_PREFIX) else _TWIN_PREFIX + key
        state.setdefault(twin, state[key])
    return state


def fitted(raw: Mapping[str, Any]) -> MODNet | None:
    """MODNet in evaluation mode with the arrays that have its names; None where one is missing or does not fit."""
    import torch

    from modnet_export.model.network import MODNet

    modnet = MODNet().eval()
    expected = modnet.state_dict()
    state = _canonical({key: torch.tensor(value) for key, value in raw.items() if key in expected})
    if _problems(state, expected):
        return None
    modnet.load_state_dict({key: value.float() for key, value in state.items()}, strict=False)
    return modnet


def load(source: Source) -> MODNet:
    """MODNet in evaluation mode, float32, with the weights of a checkpoint.

    A pruned network has as many channels as its weights. Raises ExportError for a file that cannot be read, and for one
    of another network: one message then names every key that is missing, unexpected, misshapen or not finite.
    """
    import torch

    from modnet_export.model.network import MODNet, take_channels

    state = _canonical(_read(source.path))
    modnet = MODNet().eval()
    lines = _problems(state, modnet.state_dict())
    if lines:
        pruned = MODNet().eval()
        with contextlib.suppress(KeyError, AttributeError, ValueError):  # another network, described below
            take_channels(pruned, state)
            modnet, lines = pruned, _problems(state, pruned.state_dict())
    twins = [
        key
        for key, value in state.items()
        if key.startswith("backbone.") and isinstance(value, torch.Tensor) and not lines
        if not torch.equal(value, state[_TWIN_PREFIX + key])
    ]
    if twins:
        lines = [f"  {len(twins)} stored twice with different values, {twins[0]} first"]
    if lines:
        raise ExportError(
            "\n".join([f"{source.path.name} is not a MODNet checkpoint:", *lines]),
            where=source.path,
            expected="MODNet with MobileNetV2 width 1.0 and hr_channels 32, as released",
            next_step="check that the file is MODNet's own checkpoint, not its backbone's or another network's",
        )
    modnet.load_state_dict({key: value.float() for key, value in state.items()}, strict=False)
    return modnet
