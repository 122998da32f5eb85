"""Official weights from the Hugging Face hub, pinned by SHA-256, fetched by the hub's own client and cached."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path

from converters.errors import ExportError, reason
from modnet_export.record.files import sha256


@dataclass(frozen=True)
class HubFile:
    """One file of a hub repository and the SHA-256 that it must have."""

    repository: str
    path: str
    sha256: str


# Apache-2.0, from the authors' release; the repository mirrors their Google Drive folder.
OFFICIAL: dict[str, HubFile] = {
    "photographic": HubFile(
        "DavG25/modnet-pretrained-models",
        "models/modnet_photographic_portrait_matting.ckpt",
        "7c22235f0925deba15d4d63e53afcb654c47055bbcd98f56e393ab2584007ed8",
    ),
    "webcam": HubFile(
        "DavG25/modnet-pretrained-models",
        "models/modnet_webcam_portrait_matting.ckpt",
        "913b82b66558db39b6286c150f809017d7528c872b156eb14333c9c6cb52108b",
    ),
}


def cached(file: HubFile) -> Path:
    """Where the file lies once it is downloaded."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "modnet-export" / file.sha256 / Path(file.path).name


def fetch(file: HubFile) -> Path:
    """The file in the cache (under ``HF_HOME``), downloaded first where it is not there yet.

    The hub's own client downloads it, and goes on where an earlier download broke off. ``HF_ENDPOINT`` chooses a
    mirror, ``HF_HUB_OFFLINE=1`` forbids the network. Raises ExportError when the hub cannot be reached, and when the
    file has another hash than it must have (it is then deleted).
    """
    target = cached(file)
    if target.is_file() and sha256(target) == file.sha256:
        return target
    partial = target.with_suffix(".part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    if not (partial.is_file() and sha256(partial) == file.sha256):
        _download(file, partial)
    found = sha256(partial)
    if found != file.sha256:
        partial.unlink()
        raise ExportError(
            f"{target.name} is not the official file; the download was deleted",
            where=f"{file.repository} {file.path}",
            expected=f"SHA-256 {file.sha256}, found {found}",
            next_step="try again; if it happens twice, the file on the hub has changed: do not use it",
        )
    partial.replace(target)
    return target


def _download(file: HubFile, partial: Path) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get

    # It would announce its retries; the error below says all that a user needs.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    url = hf_hub_url(file.repository, file.path)
    try:
        partial.touch()
        with partial.open("r+b") as target:
            target.seek(0, SEEK_END)
            http_get(url, target, resume_size=target.tell(), displayed_filename=Path(file.path).name)
    except Exception as error:  # the HTTP library, and so its errors, differ between releases of the client
        raise ExportError(
            f"cannot download {Path(file.path).name}: {reason(error)}",
            where=url,
            expected="a connection to the hub",
            next_step="try again when online (a download that was begun goes on where it stopped), set HF_ENDPOINT to "
            "a mirror, or pass the file itself: `checkpoint=PATH`",
        ) from error
