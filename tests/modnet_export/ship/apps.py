"""Apps to lint: of what aapt2 and a linker wrote (``tests/data/apps/make.py``), and projects of a few files."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modnet_export.ship.android import bundle
from modnet_export.ship.lint.finding import Finding, LintResult
from modnet_export.ship.lint.run import LintRequest, lint

DATA = Path(__file__).parents[2] / "data" / "apps"
MODEL = b"\x1c\x00\x00\x00TFL3" + bytes(range(256)) * 40
SHA256 = hashlib.sha256(MODEL).hexdigest()
SHIPPED = json.dumps({"artefacts": [{"file": "modnet_fp16.tflite", "sha256": SHA256}]}).encode()
LIBRARY, MISALIGNED = (DATA / "page16.so").read_bytes(), (DATA / "page4.so").read_bytes()
DEX = b"dex\n035\x00 Lcom/google/ai/edge/litert/CompiledModel;"
AGP_GLOB = "**.[tT][fF][lL][iI][tT][eE]"


def manifest(name: str) -> bytes:
    """The binary manifest that aapt2 made of ``NAME.xml``."""
    with zipfile.ZipFile(DATA / f"{name}.apk") as archive:
        return archive.read("AndroidManifest.xml")


@dataclass(frozen=True)
class Made:
    """One file of a zip: whether it is deflated, and the multiple that its bytes begin at."""

    data: bytes
    deflated: bool = False
    align: int = 4


def write(path: Path, files: Mapping[str, Made]) -> Path:
    """A zip whose files are aligned as zipalign does it, by extra bytes in their headers."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, made in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED if made.deflated else zipfile.ZIP_STORED
            begins = archive.fp.tell() + 30 + len(name.encode())
            info.extra = bytes(-begins % made.align)
            archive.writestr(info, made.data)
    return path


GOOD_APK = {
    "AndroidManifest.xml": Made(manifest("good"), deflated=True),
    "classes.dex": Made(DEX, deflated=True),
    "assets/modnet_fp16.tflite": Made(MODEL),
    "assets/modnet.json": Made(SHIPPED, deflated=True),
    "lib/arm64-v8a/libLiteRt.so": Made(LIBRARY, align=0x4000),
    "lib/arm64-v8a/libLiteRtClGlAccelerator.so": Made(LIBRARY, align=0x4000),
}


def config(*globs: str, alignment: int = 2, enabled: bool = True, negate_abi: bool = False, packs: int = 0) -> bytes:
    """A BundleConfig.pb as the Android Gradle plugin writes one."""
    made = bundle.message("BundleConfig")
    made.compression.uncompressed_glob.extend(globs)
    made.compression.install_time_asset_module_default_compression = packs
    made.optimizations.uncompress_native_libraries.enabled = enabled
    made.optimizations.uncompress_native_libraries.alignment = alignment
    made.optimizations.splits_config.split_dimension.add(value=bundle.ABI, negate=negate_abi)
    return made.SerializeToString()


def dependencies(**versions: str) -> bytes:
    """A dependencies.pb with LiteRT's artifacts; ``litert_gpu`` is ``litert-gpu``."""
    made = bundle.message("AppDependencies")
    for name, version in versions.items():
        library = made.library.add().maven_library
        library.group_id, library.artifact_id = "com.google.ai.edge.litert", name.replace("_", "-")
        library.version = version
    return made.SerializeToString()


DEPENDENCIES = "BUNDLE-METADATA/com.android.tools.build.libraries/dependencies.pb"
GOOD_AAB = {
    "BundleConfig.pb": Made(config(AGP_GLOB)),
    DEPENDENCIES: Made(dependencies(litert="2.3.0", litert_gpu="2.3.0")),
    "base/manifest/AndroidManifest.xml": Made((DATA / "good.pb").read_bytes(), deflated=True),
    "base/dex/classes.dex": Made(DEX, deflated=True),
    # A bundle's own zip deflates what it likes: BundleConfig.pb decides.
    "base/assets/modnet_fp16.tflite": Made(MODEL, deflated=True),
    "base/assets/modnet.json": Made(SHIPPED, deflated=True),
    "base/lib/arm64-v8a/libLiteRt.so": Made(LIBRARY, deflated=True),
    "base/lib/x86_64/libLiteRtClGlAccelerator.so": Made(LIBRARY, deflated=True),
}

KOTLIN_DSL = """
plugins {
    alias(libs.plugins.android.application)
}
// minSdk = 21 is a comment, as is /* this */
android {
    namespace = "org.example.matting"
    compileSdk = 37
    defaultConfig {
        minSdk = 24
    }
    androidResources { noCompress += "tflite" }
    splits { abi { isEnable = true } }
    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
        }
    }
}
dependencies {
    implementation(libs.litert)
    implementation(libs.litert.gpu)
}
"""
CATALOG = """
[versions]
agp = "9.2.1"
litert = "2.3.0"
[libraries]
litert = { module = "com.google.ai.edge.litert:litert", version.ref = "litert" }
litert-gpu = { group = "com.google.ai.edge.litert", name = "litert-gpu", version.ref = "litert" }
[plugins]
android-application = { id = "com.android.application", version.ref = "agp" }
"""
GOOD_PROJECT: dict[str, str | bytes] = {
    "settings.gradle.kts": 'include(":app")',
    "build.gradle.kts": "plugins { alias(libs.plugins.android.application) apply false }",
    "gradle/libs.versions.toml": CATALOG,
    "app/build.gradle.kts": KOTLIN_DSL,
    "app/proguard-rules.pro": "# rules\n-keep class com.google.ai.edge.litert.** { *; }\n",
    "app/src/main/AndroidManifest.xml": (DATA / "good.xml").read_bytes(),
    "app/src/main/java/Main.kt": "val options = CompiledModel.Options(Accelerator.GPU)",
    "app/src/main/assets/modnet_fp16.tflite": MODEL,
    "app/src/main/assets/modnet.json": SHIPPED,
}


@dataclass
class Apps:
    """Makes apps in a folder, each good but for what is changed in it, and lints them."""

    folder: Path
    _count: int = field(default=0)

    def path(self, suffix: str) -> Path:
        self._count += 1
        return self.folder / f"app {self._count}{suffix}"

    def apk(self, changes: Mapping[str, Made | None] | None = None) -> Path:
        return write(self.path(".apk"), changed(GOOD_APK, changes))

    def aab(self, changes: Mapping[str, Made | None] | None = None) -> Path:
        return write(self.path(".aab"), changed(GOOD_AAB, changes))

    def project(self, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
        root = self.path("")
        for name, content in changed(GOOD_PROJECT, changes).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    def __call__(self, path: Path, **options: object) -> LintResult:
        return lint(LintRequest(path, **options))  # type: ignore[arg-type]

    def finding(self, path: Path, rule: str, **options: object) -> Finding:
        return next(item for item in self(path, **options).findings if item.rule == rule)


def changed(good: Mapping[str, object], changes: Mapping[str, object] | None) -> dict:
    """Some of the files replaced or added, and those that are None left out."""
    return {name: made for name, made in {**good, **(changes or {})}.items() if made is not None}


def real(folder: Path) -> Path:
    """The APK that apksigner signed."""
    return Path(shutil.copy(DATA / "signed.apk", folder / "signed.apk"))
