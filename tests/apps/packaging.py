"""From an app's folder to an APK and a bundle, with the tools that the Android Gradle plugin calls, without Gradle.

aapt2 links resources and the manifest, kotlinc compiles, D8 or R8 makes the dex files, zipalign aligns and apksigner
signs. What it proves is that these tools take the app; that Gradle builds it is for continuous integration to show.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.apps import api, kotlin, sdk, toolchains

_ANDROID = "http://schemas.android.com/apk/res/android"
_NAME = f"{{{_ANDROID}}}name"
_TOOLS = "http://schemas.android.com/tools"
_COMPONENT = re.compile(
    r"E: (?:application|activity|service|receiver|provider) .*\n(?: +A: .*\n)*? +A: \S*android:name\(\S+\)=\"(.+?)\""
)


class RefusedError(Exception):
    """What a tool printed that did not take the app."""


@dataclass(frozen=True)
class App:
    """A module that Gradle would build."""

    folder: Path
    namespace: str
    source_sets: tuple[str, ...] = ("main",)
    """The folders below ``src`` that make up the build type."""
    libraries: tuple[Path, ...] = ()
    """Modules whose manifest and resources are merged in."""
    assets: Path | None = None
    """None: those of the source sets."""
    minimum: int = 24
    target: int = 36

    def sources(self) -> list[Path]:
        return kotlin.sources(*(self.folder / "src" / name for name in self.source_sets))

    def files(self, name: str) -> list[Path]:
        """Those of the module's source sets and of its libraries, which exist."""
        own = [self.folder / "src" / source_set / name for source_set in self.source_sets]
        return [path for path in (*own, *(library / "src/main" / name for library in self.libraries)) if path.exists()]


def run(*command: str | Path) -> str:
    """What a tool printed; RefusedError where it failed."""
    done = kotlin.run(command)
    if done.returncode:
        raise RefusedError((done.stdout + done.stderr).partition("\nException in thread")[0])
    return done.stdout


def manifest(app: App, into: Path) -> Path:
    """The manifests of all source sets and libraries in one, with what Gradle adds."""
    ElementTree.register_namespace("android", _ANDROID)
    first, *others = [ElementTree.parse(path).getroot() for path in app.files("AndroidManifest.xml")]
    application = first.find("application")
    assert application is not None
    for other in others:
        for child in other:
            if child.tag == "application":
                application.extend(child)
            else:
                first.append(child)
    first.set("package", app.namespace)
    levels = {f"{{{_ANDROID}}}minSdkVersion": str(app.minimum), f"{{{_ANDROID}}}targetSdkVersion": str(app.target)}
    ElementTree.SubElement(first, "uses-sdk", levels)
    for element in first.iter():
        for name in [name for name in element.attrib if name.startswith(f"{{{_TOOLS}}}")]:
            del element.attrib[name]
        if element.get(_NAME, "").startswith("."):
            element.set(_NAME, app.namespace + element.attrib[_NAME])
    text = ElementTree.tostring(first, encoding="unicode").replace("${applicationId}", app.namespace)
    path = into / "AndroidManifest.xml"
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(frozen=True)
class Linked:
    """What aapt2 made."""

    apk: Path
    """The manifest, resources and assets."""
    bundle: Path
    """The same as a bundle has it."""
    r_java: Path
    rules: Path
    """What R8 must keep because the manifest or a layout names it."""


def link(app: App, into: Path, *options: str) -> Linked:
    """Compile and link resources; RefusedError where one is missing."""
    compiled = []
    for number, folder in enumerate(app.files("res")):
        compiled.append(into / f"{number}.zip")
        run(*sdk.aapt2(), "compile", "--dir", folder, "-o", compiled[-1])
    assets = [app.assets] if app.assets else app.files("assets")
    common: list[str | Path] = [
        *sdk.aapt2(), "link", *options, "-I", sdk.framework(), "--manifest", manifest(app, into), "--auto-add-overlay",
        "--version-code", "1", "--version-name", "1.0", "-0", "tflite",
        *(part for folder in assets for part in ("-A", folder)),
    ]  # fmt: skip
    made = Linked(into / "linked.apk", into / "proto.apk", into / "java", into / "resources.pro")
    run(*common, "--java", made.r_java, "--proguard", made.rules, "-o", made.apk, *compiled)
    run(*common, "--proto-format", "-o", made.bundle, *compiled)
    return made


def compile_app(app: App, linked: Linked, libraries: Sequence[Path], into: Path) -> None:
    """The classes of the app and of R; a warning is an error."""
    java = sorted(linked.r_java.rglob("*.java"))
    run(sdk.javac(), "-nowarn", "--release", "11", "-d", into, *java)
    done = kotlin.compiled(app.sources(), into, [into, *libraries, api.android_36()], "-no-jdk")
    if done.returncode:
        raise RefusedError(done.stderr)


def jar(into: Path, folders: Iterable[tuple[Path, str]]) -> Path:
    """A jar of the classes below a path (empty: all) of each folder."""
    with zipfile.ZipFile(into, "w") as archive:
        for folder, below in folders:
            for path in sorted((folder / below).rglob("*.class")):
                archive.write(path, path.relative_to(folder))
    return into


def d8(program: Sequence[Path], libraries: Sequence[Path], into: Path, minimum: int = 24) -> None:
    """Dex files as a debug build has them."""
    _dex("D8", program, libraries, into, "--min-api", str(minimum))


def r8(
    program: Sequence[Path], libraries: Sequence[Path], rules: Sequence[Path], into: Path, minimum: int = 24
) -> None:
    """Dex files as a minified build has them; RefusedError where a class is missing."""
    configuration: list[str | Path] = [part for rule in rules for part in ("--pg-conf", rule)]
    _dex("R8", program, libraries, into, "--release", "--min-api", str(minimum), *configuration)


def _dex(tool: str, program: Sequence[Path], libraries: Sequence[Path], into: Path, *options: str | Path) -> None:
    into.mkdir()
    given: list[str | Path] = [
        part for path in (api.android_36(), kotlin.annotations_jar(), *libraries) for part in ("--lib", path)
    ]
    command: list[str | Path] = [toolchains.java(), *kotlin.SHORT, "-cp", sdk.r8(), f"com.android.tools.r8.{tool}"]
    run(*command, *options, *given, "--output", into, *program)


def package(linked: Linked, dex: Path, extra: dict[str, bytes], into: Path) -> Path:
    """An APK, aligned and signed with a key that is made for it; ``extra`` are stored files."""
    plain, aligned, key, apk = (into / name for name in ("plain.apk", "aligned.apk", "key.jks", "app.apk"))
    plain.write_bytes(linked.apk.read_bytes())
    with zipfile.ZipFile(plain, "a") as archive:
        for path in sorted(dex.glob("*.dex")):
            archive.write(path, path.name, zipfile.ZIP_DEFLATED)
        for name, data in extra.items():
            archive.writestr(name, data, zipfile.ZIP_STORED)
    run(*sdk.zipalign(), "-f", "-p", "4", plain, aligned)
    store = ("-keystore", str(key), "-storepass", "android", "-alias", "a")
    run(sdk.keytool(), "-genkeypair", *store, "-keyalg", "RSA", "-dname", "CN=a")
    run(*sdk.apksigner(), "sign", "--ks", key, "--ks-pass", "pass:android", "--out", apk, aligned)
    return apk


def bundle(linked: Linked, dex: Path, extra: dict[str, bytes], into: Path) -> Path:
    """A bundle of one module; ``extra`` are files beside it, or ``base/lib`` ones."""
    made = into / "app.aab"
    with (
        zipfile.ZipFile(linked.bundle) as source,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name in source.namelist():
            folder = "manifest/" if name == "AndroidManifest.xml" else ""
            archive.writestr(f"base/{folder}{name}", source.read(name))
        for path in sorted(dex.glob("*.dex")):
            archive.write(path, f"base/dex/{path.name}")
        for name, data in extra.items():
            archive.writestr(name, data)
    return made


def components(apk: Path) -> set[str]:
    """The classes that Android starts by their names, as class files have them."""
    tree = run(*sdk.aapt2(), "dump", "xmltree", "--file", "AndroidManifest.xml", apk)
    return {name.replace(".", "/") for name in re.findall(_COMPONENT, tree)}


def debuggable(apk: Path) -> bool:
    return "application-debuggable" in run(*sdk.aapt2(), "dump", "badging", apk)


def dexdump(dex: Path) -> dict[str, set[str]]:
    """The methods (``name:descriptor``) of each class in the dex files of a folder."""
    found: dict[str, set[str]] = {}
    for path in sorted(dex.glob("*.dex")):
        methods: set[str] = set()
        name = ""
        for line in run(*sdk.dexdump(), path).splitlines():
            if match := re.match(r"  Class descriptor  : 'L(.*);'", line):
                methods = found.setdefault(match[1], set())
            elif match := re.match(r"      name          : '(.*)'", line):
                name = match[1]
            elif match := re.match(r"      type          : '(\(.*)'", line):
                methods.add(f"{name}:{match[1]}")
    return found
