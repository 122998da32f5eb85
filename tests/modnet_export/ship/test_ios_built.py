"""Every rule for iOS with planted mistakes in an .app and in an .ipa, and files that are none."""

from __future__ import annotations

import json
import plistlib
import stat
import zipfile
from pathlib import Path

import pytest

from converters.errors import ExportError
from modnet_export.ship.ios.shipping import ShipRequest, ship
from modnet_export.ship.lint.run import LintRequest, lint
from tests.modnet_export.ship.exports import SIZE, SOURCE, VERSION, export
from tests.modnet_export.ship.ios_projects import POINTER, WEIGHTS, privacy, project, verdicts

METADATA = {
    "specificationVersion": 7,
    "inputSchema": [{"name": "image", "type": "Image", "width": str(SIZE.width), "height": str(SIZE.height)}],
    "outputSchema": [{"name": "matte", "type": "Image", "width": str(SIZE.width), "height": str(SIZE.height)}],
    "userDefinedMetadata": {"io.modnet.source.sha256": SOURCE, "io.modnet.version": VERSION},
}
INFO = {"CFBundleExecutable": "App", "MinimumOSVersion": "16.0", "NSCameraUsageDescription": "to cut you out"}
COMPILED = "modnet_fp16.mlmodelc"


@pytest.fixture
def built(tmp_path, an_export):
    """An .app folder or an .ipa of some files; ``changes``: a file's bytes, None to leave it out."""
    shipped = project(tmp_path / "of", "XcodeGen")
    ship(ShipRequest(shipped, (an_export / "modnet_fp16.mlpackage",))).carry_out()
    files = {
        "App": b"\xcf\xfa\xed\xfe_OBJC_CLASS_$_AVCaptureDevice\0",
        "Info.plist": plistlib.dumps(INFO, fmt=plistlib.FMT_BINARY),
        "PrivacyInfo.xcprivacy": privacy(),
        "modnet.json": (shipped / "My App/Modnet/modnet.json").read_bytes(),
        f"{COMPILED}/metadata.json": json.dumps([METADATA]).encode(),
        f"{COMPILED}/coremldata.bin": b"\0",
        f"{COMPILED}/weights/weight.bin": b"weights",
    }

    def make(kind: str, changes: dict[str, bytes | None] | None = None) -> Path:
        content = {name: data for name, data in (files | (changes or {})).items() if data is not None}
        path = tmp_path / f"My App.{kind}"
        if kind == "ipa":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in content.items():
                    archive.writestr(f"Payload/My App.app/{name}", data)
            return path
        for name, data in content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path

    return make


def metadata(**changes: object) -> dict[str, bytes | None]:
    return {f"{COMPILED}/metadata.json": json.dumps([METADATA | changes]).encode()}


def info(**changes: object) -> dict[str, bytes | None]:
    left = {key: value for key, value in (INFO | changes).items() if value is not None}
    return {"Info.plist": plistlib.dumps(left)}


BUILT = {
    "no model": (
        "model-in-target",
        dict.fromkeys(f"{COMPILED}/{n}" for n in ("metadata.json", "coremldata.bin", "weights/weight.bin")),
        "failed",
        "names modnet_fp16",
    ),
    "weights in Git LFS": ("model-whole", {f"{COMPILED}/weights/weight.bin": POINTER}, "failed", "Git LFS pointer"),
    "noise for metadata": ("model-whole", {f"{COMPILED}/metadata.json": b"{"}, "failed", "metadata.json"),
    "metadata of another form": ("model-whole", {f"{COMPILED}/metadata.json": b"[1]"}, "failed", "metadata.json"),
    "another source": (
        "model-hash",
        metadata(userDefinedMetadata={"io.modnet.source.sha256": "1" * 64, "io.modnet.version": VERSION}),
        "failed",
        "io.modnet.source.sha256 is 111111111111...",
    ),
    "another version": (
        "model-hash",
        metadata(userDefinedMetadata={"io.modnet.source.sha256": SOURCE}),
        "failed",
        "io.modnet.version is missing",
    ),
    "no modnet.json": ("model-hash", {"modnet.json": None}, "cannot be decided here", "no modnet.json"),
    "arrays": (
        "model-ports",
        metadata(inputSchema=[{"name": "image", "type": "MultiArray", "shape": "[1]"}]),
        "warning",
        "array",
    ),
    "another size": (
        "model-ports",
        metadata(outputSchema=[{"name": "matte", "type": "Image", "width": "8", "height": "8"}]),
        "failed",
        "8x8",
    ),
    "too old an iOS": ("deployment-target", info(MinimumOSVersion="15.0"), "failed", "iOS 15.0"),
    "no oldest iOS": ("deployment-target", info(MinimumOSVersion=None), "cannot be decided here", "not a number"),
    "too new a model": ("deployment-target", metadata(specificationVersion=8), "failed", "needs 17"),
    "no reason for the camera": ("camera-usage", info(NSCameraUsageDescription=None), "failed", "ends the app"),
    "no camera": (
        "camera-usage",
        {**info(NSCameraUsageDescription=None), "App": b"\xcf\xfa\xed\xfe"},
        "cannot be decided here",
        "no program",
    ),
    "no privacy manifest": ("privacy-manifest", {"PrivacyInfo.xcprivacy": None}, "failed", "beside Info.plist"),
    "a privacy manifest elsewhere": (
        "privacy-manifest",
        {"PrivacyInfo.xcprivacy": None, "A.bundle/PrivacyInfo.xcprivacy": privacy()},
        "failed",
        "beside",
    ),
    "a privacy manifest without the time": (
        "privacy-manifest",
        {"PrivacyInfo.xcprivacy": plistlib.dumps({})},
        "failed",
        "not declared",
    ),
}


@pytest.mark.parametrize("kind", ["app", "ipa"])
class TestBuilt:
    def test_a_good_app_passes_every_rule_that_can_be_decided(self, built, kind):
        assert verdicts(built(kind)) == {
            **dict.fromkeys(verdicts(built(kind)), "passed"),
            "warm-up": "cannot be decided here",
        }

    @pytest.mark.parametrize("planted", BUILT)
    def test_a_planted_mistake_is_found(self, built, kind, planted):
        rule, changes, verdict, words = BUILT[planted]
        found = next(item for item in lint(LintRequest(built(kind, changes))).findings if item.rule == rule)
        assert (found.verdict, words in found.reason) == (verdict, True), found

    def test_a_package_that_a_swift_package_copied_is_compared_by_its_hash(self, built, an_export, kind):
        inside, source = "App_App.bundle/modnet_fp16.mlpackage", an_export / "modnet_fp16.mlpackage"
        parts = {f"{inside}/{p.relative_to(source)}": p.read_bytes() for p in source.rglob("*") if p.is_file()}
        gone = dict.fromkeys(f"{COMPILED}/{name}" for name in ("metadata.json", "coremldata.bin", "weights/weight.bin"))
        assert verdicts(built(kind, {**gone, **parts}))["model-hash"] == "passed"
        parts[f"{inside}/{WEIGHTS}"] = b"other"
        assert verdicts(built(kind, {**gone, **parts}))["model-hash"] == "failed"

    def test_an_export_says_what_it_should_be(self, built, tmp_path, kind):
        path = built(kind)
        assert verdicts(path, export=export(tmp_path / "the same"))["model-hash"] == "passed"
        other = export(tmp_path / "other", versions={"modnet-export": "9"})
        assert verdicts(path, export=other)["model-hash"] == "failed"

    @pytest.mark.parametrize("data", [None, b"", b"bplist00" + b"\xff" * 40, b"<plist><array/></plist>"])
    def test_an_app_without_a_sound_info_plist_is_one_message(self, built, kind, data):
        with pytest.raises(ExportError, match=r"cannot read My App|Info\.plist") as error:
            lint(LintRequest(built(kind, {"Info.plist": data})))
        assert error.value.exit_code == 2


def test_symbolic_links_are_no_files(built, tmp_path):
    secret = tmp_path / "secret.xcprivacy"
    secret.write_bytes(privacy())
    folder = built("app", {"PrivacyInfo.xcprivacy": None})
    (folder / "PrivacyInfo.xcprivacy").symlink_to(secret)
    assert verdicts(folder)["privacy-manifest"] == "failed"
    path = built("ipa", {"PrivacyInfo.xcprivacy": None})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("Payload/My App.app/PrivacyInfo.xcprivacy")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(secret))
    assert verdicts(path)["privacy-manifest"] == "failed"


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("no.ipa", lambda path: None, "there is no such file"),
        ("text.ipa", lambda path: path.write_text("text"), "cannot read text.ipa"),
        ("empty.ipa", lambda path: zipfile.ZipFile(path, "w").close(), "no Payload"),
        (
            "mac.app",
            lambda path: ((path / "Contents").mkdir(parents=True), (path / "Contents/Info.plist").touch()),
            "macOS",
        ),
        ("empty.app", lambda path: path.mkdir(), "no Info.plist"),
    ],
)
def test_what_is_no_app_is_one_message(tmp_path, name, make, words):
    make(tmp_path / name)
    with pytest.raises(ExportError, match=words):
        lint(LintRequest(tmp_path / name))


def test_a_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.ipa", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Payload/A.app/Info.plist", bytes(110 << 20))
    with pytest.raises(ExportError, match="zip bomb"):
        lint(LintRequest(tmp_path / "a.ipa"))


def test_a_truncated_ipa_is_read_or_refused(built):
    path = built("ipa")
    data, outcomes = path.read_bytes(), set()
    for cut in range(0, len(data), max(len(data) // 60, 1)):
        path.write_bytes(data[:cut] + b"\0" * (cut % 2))
        try:
            lint(LintRequest(path))
            outcomes.add("read")
        except ExportError as error:
            assert error.exit_code == 2
            outcomes.add("refused")
    assert "refused" in outcomes


def test_a_target_is_a_projects(built):
    with pytest.raises(ExportError, match="only a project has targets"):
        lint(LintRequest(built("app"), target="App"))
