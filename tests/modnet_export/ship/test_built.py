"""The rules on .apk and .aab files: each with what breaks it, and nothing else."""

from __future__ import annotations

import struct

import pytest

from modnet_export.ship.android import elf
from modnet_export.ship.lint.rules import RULES
from tests.modnet_export.ship import apps as made
from tests.modnet_export.ship.apps import DATA, DEPENDENCIES, MODEL, Made, config, dependencies, manifest

UNDECIDED = "cannot be decided here"
NO_MODEL = {"assets/modnet_fp16.tflite": None}
LIB = "lib/arm64-v8a/libLiteRt.so"


def test_a_good_apk_fails_no_rule(apps):
    result = apps(apps.apk())
    assert {item.rule: item.verdict for item in result.findings} == {
        **dict.fromkeys((rule.name for rule in RULES), "passed"),
        "gpu-artifact": UNDECIDED,
        "keep-rules": UNDECIDED,
    }


def test_a_good_bundle_fails_no_rule(apps):
    result = apps(apps.aab())
    assert {item.rule: item.verdict for item in result.findings} == {
        **dict.fromkeys((rule.name for rule in RULES), "passed"),
        "keep-rules": UNDECIDED,
    }


def test_an_apk_that_the_real_tools_signed_is_read(apps, tmp_path):
    """zipalign of Android 10 aligns libraries to 4 KB: the one rule that it breaks."""
    result = apps(made.real(tmp_path))
    assert [item.rule for item in result.failed] == ["zip-16kb"]
    assert result.failed[0].place == "lib/x86_64/libLiteRt.so"


APK = {
    "a deflated model": (
        "model-stored",
        {"assets/modnet_fp16.tflite": Made(MODEL, deflated=True)},
        "assets/modnet_fp16",
    ),
    "another model": ("model-hash", {"assets/modnet_fp16.tflite": Made(MODEL[:-1])}, "assets/modnet_fp16.tflite"),
    "no libOpenCL": ("opencl", {"AndroidManifest.xml": Made(manifest("demanding"))}, "AndroidManifest.xml"),
    "an old Android": ("min-sdk", {"AndroidManifest.xml": Made(manifest("old"))}, "AndroidManifest.xml"),
    "a demanded camera": ("camera", {"AndroidManifest.xml": Made(manifest("demanding"))}, "AndroidManifest.xml"),
    "a camera by its permission": ("camera", {"AndroidManifest.xml": Made(manifest("old"))}, "AndroidManifest.xml"),
    "renamed classes": ("keep-rules", {"classes.dex": Made(b"dex\n035\x00 La/b;")}, "classes.dex"),
    "pages of 4 KB": ("elf-16kb", {LIB: Made(made.MISALIGNED, align=0x4000)}, LIB),
    "a zip aligned to 4 KB": ("zip-16kb", {LIB: Made(made.LIBRARY, align=0x1000)}, LIB),
    "two processors": ("abi-split", {"lib/x86/libLiteRt.so": Made(made.MISALIGNED, deflated=True)}, "lib/ in"),
}


@pytest.mark.parametrize("case", APK)
def test_a_fault_in_an_apk_is_found_and_placed(apps, case):
    rule, changes, place = APK[case]
    finding = apps.finding(apps.apk(changes), rule)
    assert finding.verdict == "failed"
    assert finding.place.startswith(place)
    assert finding.reason
    assert finding.mend


AAB = {
    "no glob for models": ("model-stored", {"BundleConfig.pb": Made(config("**.jpg"))}),
    "no configuration": ("model-stored", {"BundleConfig.pb": None}),
    "another model": ("model-hash", {"base/assets/modnet_fp16.tflite": Made(MODEL[:-1])}),
    "no libOpenCL": ("opencl", {"base/manifest/AndroidManifest.xml": Made((DATA / "demanding.pb").read_bytes())}),
    "an old Android": ("min-sdk", {"base/manifest/AndroidManifest.xml": Made((DATA / "old.pb").read_bytes())}),
    "a demanded camera": ("camera", {"base/manifest/AndroidManifest.xml": Made((DATA / "demanding.pb").read_bytes())}),
    "no litert-gpu": ("gpu-artifact", {DEPENDENCIES: Made(dependencies(litert="2.3.0"))}),
    "two versions": ("gpu-artifact", {DEPENDENCIES: Made(dependencies(litert="2.3.1", litert_gpu="2.3.0"))}),
    "renamed classes": ("keep-rules", {"base/dex/classes.dex": Made(b"dex\n035\x00 La/b;")}),
    "pages of 4 KB": ("elf-16kb", {"base/lib/x86_64/a.so": Made(made.MISALIGNED)}),
    "a zip of 4 KB": ("zip-16kb", {"BundleConfig.pb": Made(config(made.AGP_GLOB, alignment=1))}),
    "a zip of which nothing is said": ("zip-16kb", {"BundleConfig.pb": None}),
    "a zip of no alignment": ("zip-16kb", {"BundleConfig.pb": Made(config(made.AGP_GLOB, alignment=0))}),
    "no split": ("abi-split", {"BundleConfig.pb": Made(config(made.AGP_GLOB, negate_abi=True))}),
}


@pytest.mark.parametrize("case", AAB)
def test_a_fault_in_a_bundle_is_found(apps, case):
    rule, changes = AAB[case]
    finding = apps.finding(apps.aab(changes), rule)
    assert finding.verdict == "failed"
    assert finding.mend


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("model-stored", NO_MODEL),
        ("model-hash", NO_MODEL),
        ("model-hash", {"assets/modnet.json": None}),
        ("model-hash", {"assets/modnet.json": Made(b'{"artefacts": [{"file": "other.tflite", "sha256": "0"}]}')}),
        ("model-hash", {"assets/modnet.json": Made(b"[" * 100_000)}),
        ("model-size", NO_MODEL),
        ("camera", {"AndroidManifest.xml": Made(manifest("pack"))}),
        ("gpu-artifact", {}),
        ("keep-rules", {}),
    ],
)
def test_what_an_apk_does_not_show_is_not_passed(apps, rule, changes):
    finding = apps.finding(apps.apk(changes), rule)
    assert finding.verdict == UNDECIDED
    assert finding.reason


def test_without_anything_of_the_gpu_opencl_is_not_decided(apps):
    changes = {
        "AndroidManifest.xml": Made(manifest("old")),
        "lib/arm64-v8a/libLiteRtClGlAccelerator.so": None,
        "assets/modnet_fp16.tflite": None,
    }
    assert apps.finding(apps.apk(changes), "opencl").verdict == UNDECIDED


@pytest.mark.parametrize("libraries", [{"litert": "2.2.0"}, {"litert": "2.3.0", "litert_gpu": "2.3.0"}], ids=str)
def test_old_litert_brings_its_gpu_itself(apps, libraries):
    aab = apps.aab({DEPENDENCIES: Made(dependencies(**libraries))})
    assert apps.finding(aab, "gpu-artifact").verdict == "passed"


def test_a_bundle_without_its_dependencies_is_not_decided(apps):
    assert apps.finding(apps.aab({DEPENDENCIES: None}), "gpu-artifact").verdict == UNDECIDED


@pytest.mark.parametrize(("packs", "verdict"), [(0, "passed"), (1, "passed"), (2, "failed")])
def test_an_asset_pack_is_stored_unless_it_is_to_be_deflated(apps, packs, verdict):
    aab = apps.aab(
        {
            "BundleConfig.pb": Made(config("**.jpg", packs=packs)),
            "base/assets/modnet_fp16.tflite": None,
            "models/manifest/AndroidManifest.xml": Made((DATA / "pack.pb").read_bytes()),
            "models/assets/modnet_fp16.tflite": Made(MODEL),
        }
    )
    assert apps.finding(aab, "model-stored").verdict == verdict


def test_libraries_that_are_unpacked_need_no_alignment_in_the_zip(apps):
    changes = {name: Made(made.LIBRARY, deflated=True) for name in made.GOOD_APK if name.startswith("lib/")}
    assert apps.finding(apps.apk(changes), "zip-16kb").verdict == "passed"
    aab = apps.aab({"BundleConfig.pb": Made(config(made.AGP_GLOB, alignment=1, enabled=False))})
    assert apps.finding(aab, "zip-16kb").verdict == "passed"


def test_32_bit_libraries_may_have_pages_of_4_kb(apps):
    changes = {name: None for name in made.GOOD_APK if name.startswith("lib/")}
    apk = apps.apk({**changes, "lib/armeabi-v7a/libLiteRt.so": Made(made.MISALIGNED)})
    assert {apps.finding(apk, rule).verdict for rule in ("elf-16kb", "zip-16kb")} == {"passed"}


def test_large_models_belong_into_a_pack(apps, monkeypatch):
    from modnet_export.ship.lint.rules import of_models

    monkeypatch.setattr(of_models, "_MODULE", 1000)
    assert apps.finding(apps.apk(), "model-size").verdict == "failed"
    assert apps.finding(apps.aab(), "model-size").verdict == "failed"
    assert apps.finding(apps.project(), "model-size").verdict == "failed"
    moved = {
        "base/assets/modnet_fp16.tflite": None,
        "models/manifest/AndroidManifest.xml": Made((DATA / "pack.pb").read_bytes()),
        "models/assets/modnet_fp16.tflite": Made(MODEL),
    }
    assert apps.finding(apps.aab(moved), "model-size").verdict == "passed"
    monkeypatch.setattr(of_models, "_PACK", 1000)
    assert apps.finding(apps.aab(moved), "model-size").verdict == "failed"


@pytest.mark.parametrize(("alignment", "verdict"), [(0x2000, "failed"), (0x4000, "passed"), (0x10000, "passed")])
@pytest.mark.parametrize("segment", [0, 1])
def test_every_segment_counts(apps, segment, alignment, verdict):
    """An ELF64 program header has 56 bytes from byte 64 on, and p_align in its last eight."""
    library = bytearray(made.LIBRARY)
    struct.pack_into("<Q", library, 64 + 56 * segment + 48, alignment)
    assert apps.finding(apps.apk({LIB: Made(bytes(library), align=0x4000)}), "elf-16kb").verdict == verdict


@pytest.mark.parametrize(("name", "alignment"), [("page4.so", 0x1000), ("page16.so", 0x4000), ("narrow.so", 0x1000)])
def test_the_beginning_of_a_library_is_enough(name, alignment):
    """The section headers lie at its end, tens of megabytes on in a real one."""
    assert elf.load_alignment((DATA / name).read_bytes()[:0x300]) == alignment
