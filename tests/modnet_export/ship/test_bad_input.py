"""What is no app, is damaged, or means harm: one clear message with exit code 2, and nothing changed."""

from __future__ import annotations

import os
import random
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from converters.errors import ExportError
from tests.modnet_export.cli.hostile import tree
from tests.modnet_export.ship.apps import DATA, GOOD_AAB, GOOD_APK, LIBRARY, Made, changed, manifest, write

MANIFEST = "AndroidManifest.xml"
CLAIMED = 50 << 20


def bomb(path: Path) -> Path:
    """300 MB of zeros in 300 kB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, manifest("good"))
        with archive.open("lib/arm64-v8a/libLiteRt.so", "w") as file:
            for _ in range(300):
                file.write(bytes(1 << 20))
    return path


def overlapping(path: Path) -> Path:
    """Many entries of the directory that are one and the same file (Fifield's bomb)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, random.Random(0).randbytes(50_000))
        info = archive.infolist()[0]
        for index in range(20):
            twin = zipfile.ZipInfo(f"assets/{index}.tflite")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(twin, name, getattr(info, name))
            archive.filelist.append(twin)
    return path


def claiming(path: Path) -> Path:
    """A manifest that its header says is small."""
    write(path, changed(GOOD_APK, {MANIFEST: Made(bytes(CLAIMED), deflated=True)}))
    data = bytearray(path.read_bytes())
    while (at := data.find(struct.pack("<I", CLAIMED))) >= 0:
        data[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    return path


def encrypted(path: Path) -> Path:
    write(path, GOOD_APK)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02", 0, data.find(b"PK\x01\x02") + 4)
    data[at + 8] |= 1
    data[6] |= 1
    path.write_bytes(data)
    return path


BAD = {
    "nothing": (lambda path: path, "there is no"),
    "an empty file": (lambda path: path.write_bytes(b""), "cannot read"),
    "text": (lambda path: path.write_bytes(b"no zip"), "cannot read"),
    "a pipe": (os.mkfifo, "it is not a regular file"),
    "an empty zip": (lambda path: write(path, {}), f"it has no {MANIFEST} in it"),
    "no manifest": (lambda path: write(path, changed(GOOD_APK, {MANIFEST: None})), f"it has no {MANIFEST} in it"),
    "a bundle by another name": (lambda path: write(path, GOOD_AAB), "it is not an apk, though its name says so"),
    "a manifest in text": (
        lambda path: write(path, changed(GOOD_APK, {MANIFEST: Made((DATA / "good.xml").read_bytes())})),
        "it is not binary XML",
    ),
    "half a manifest": (
        lambda path: write(path, changed(GOOD_APK, {MANIFEST: Made(manifest("good")[:1000])})),
        "it is not whole binary XML",
    ),
    "a large manifest": (
        lambda path: write(path, changed(GOOD_APK, {MANIFEST: Made(bytes(9 << 20))})),
        "claims 9,437,184 bytes",
    ),
    "no library": (
        lambda path: write(path, changed(GOOD_APK, {"lib/arm64-v8a/libLiteRt.so": Made(b"no ELF")})),
        "it is not a native library",
    ),
    "half a library": (
        lambda path: write(path, changed(GOOD_APK, {"lib/arm64-v8a/libLiteRt.so": Made(LIBRARY[:80])})),
        "libLiteRt.so",
    ),
    "a bomb": (bomb, "it is a zip bomb"),
    "files over each other": (overlapping, "lie over each other"),
    "a size that is not true": (claiming, MANIFEST),
    "encryption": (encrypted, "cannot read"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_apk_is_one_clear_message(apps, kind):
    make, words = BAD[kind]
    path = apps.path(".apk")
    make(path)
    before = tree(apps.folder)
    began = time.monotonic()
    with pytest.raises(ExportError) as error:
        apps(path)
    assert words in str(error.value)
    assert error.value.exit_code == 2
    assert error.value.where == str(path)
    assert error.value.expected
    assert error.value.next_step
    assert tree(apps.folder) == before
    assert time.monotonic() - began < 60  # a bomb is not unpacked


def test_a_manifest_whose_size_is_not_true_is_not_unpacked(apps):
    """zipfile itself would, before it cuts it off."""
    path = claiming(apps.path(".apk"))
    tracemalloc.start()
    try:
        with pytest.raises(ExportError):
            apps(path)
        assert tracemalloc.get_traced_memory()[1] < CLAIMED / 4
    finally:
        tracemalloc.stop()


def test_an_apk_by_the_name_of_a_bundle_is_said_to_be_none(apps):
    with pytest.raises(ExportError, match="it is not an aab, though its name says so"):
        apps(write(apps.path(".aab"), GOOD_APK))


@pytest.mark.parametrize("name", ["BundleConfig.pb", "base/manifest/AndroidManifest.xml"])
def test_a_bundle_with_noise_in_protobuf_is_one_clear_message(apps, name):
    with pytest.raises(ExportError, match="in protobuf"):
        apps(apps.aab({name: Made(b"\xff" * 50)}))


def test_a_truncated_or_changed_apk_is_read_or_refused(apps):
    """Cut off anywhere, and with bytes changed anywhere: never another error."""
    rng = random.Random(0)
    whole = {suffix: make().read_bytes() for suffix, make in ((".apk", apps.apk), (".aab", apps.aab))}
    outcomes = set()
    for index in range(300):
        suffix = (".apk", ".aab")[index % 2]
        data = bytearray(whole[suffix])
        if rng.random() < 0.3:
            data = data[: rng.randrange(len(data))]
        for _ in range(rng.randrange(1, 6)):
            # Most bytes are the model's: the ends have the headers.
            at = (
                rng.choice([rng.randrange(len(data)), len(data) - 1 - rng.randrange(min(len(data), 900))])
                if data
                else 0
            )
            data[at : at + 1] = rng.randbytes(1)
        path = apps.folder / f"changed{suffix}"
        path.write_bytes(data)
        try:
            apps(path)
            outcomes.add("read")
        except ExportError as error:
            assert error.exit_code == 2
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize("suffix", [".zip", "", ".apks"])
def test_other_files_are_refused_by_their_suffix(apps, suffix):
    path = write(apps.path(suffix), GOOD_APK)
    with pytest.raises(ExportError, match="is not an app"):
        apps(path)


def test_modules_are_a_projects(apps):
    with pytest.raises(ExportError, match="only a project has modules"):
        apps(apps.apk(), module="app")


class TestProject:
    @pytest.mark.parametrize("files", [{}, {"notes.txt": ""}, {"build.gradle": 'plugins { id "java" }'}], ids=str)
    def test_a_folder_that_is_none(self, apps, files):
        folder = apps.path("")
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        with pytest.raises(ExportError, match="is not an Android app's project") as error:
            apps(folder)
        assert error.value.where == str(folder)

    def test_several_app_modules_are_asked_for(self, apps):
        project = apps.project({"wear/build.gradle": "plugins { id 'com.android.application' }\nandroid { minSdk 30 }"})
        with pytest.raises(ExportError, match="there are 2 app modules") as error:
            apps(project)
        assert error.value.expected == "one of app, wear"
        with pytest.raises(ExportError, match="there is no app module :tv"):
            apps(project, module=":tv")
        assert apps.finding(project, "min-sdk", module=":wear").reason == "minSdk is 30"

    @pytest.mark.parametrize(
        "text", ['<!DOCTYPE manifest [<!ENTITY a "b">]><manifest>&a;</manifest>', "<manifest>", "\0"], ids=str
    )
    def test_a_manifest_that_cannot_be_read(self, apps, text):
        with pytest.raises(ExportError, match=r"cannot read app/src/main/AndroidManifest\.xml: it") as error:
            apps(apps.project({"app/src/main/AndroidManifest.xml": text}))
        assert error.value.next_step == "mend the file"

    @pytest.mark.parametrize(
        "text",
        [
            "[versions\n",
            "versions = 1",
            "[versions]\na.ref = 1",
            "[libraries]\na = 1",
            "a = " + "9" * 5000,
            "[bundles]\na = 1",
        ],
    )
    def test_a_catalog_that_is_none(self, apps, text):
        with pytest.raises(ExportError, match="cannot read the version catalog"):
            apps(apps.project({"gradle/libs.versions.toml": text}))

    def test_nothing_is_written_and_odd_files_are_passed_over(self, apps):
        project = apps.project()
        sources = project / "app" / "src" / "main" / "java"
        os.mkfifo(sources / "Pipe.kt")
        (sources / "loop").symlink_to(sources, target_is_directory=True)
        (sources / "Gone.kt").symlink_to("nowhere")
        (sources / "caf\udce9.kt").write_bytes(b"\xff\xfe")
        before = tree(apps.folder)
        assert not apps(project).failed
        assert tree(apps.folder) == before
