"""Writes the files beside it anew, with the real tools: aapt2, zipalign, apksigner, gcc.

On Debian: ``apt-get install aapt zipalign apksigner android-framework-res gcc openjdk-17-jre-headless``, then
``python tests/data/apps/make.py``; what is here is from bookworm (aapt2 2.19, zipalign of Android 10, apksigner 31).

From each ``NAME.xml``: ``NAME.apk``, an APK of the manifest alone; ``NAME.txt``, what aapt2 says is in it; ``NAME.pb``,
the same manifest as a bundle has it. ``utf8.bin`` is binary XML with UTF-8 strings, which manifests never have.
``page*.so`` are libraries for x86_64 with pages of 4 and 16 KB, ``narrow.so`` is one for x86. ``signed.apk`` is aligned
by zipalign and signed.
"""

from __future__ import annotations

import subprocess
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
FRAMEWORK = "/usr/share/android-framework-res/framework-res.apk"
# Android 10's aapt2 does not know uses-native-library, and says so.
LINK = ("aapt2", "link", "--warn-manifest-validation", "-I", FRAMEWORK, "--manifest")
PAGES = {"page4.so": (0x1000, "-m64"), "page16.so": (0x4000, "-m64"), "narrow.so": (0x1000, "-m32")}


def run(*command: object) -> str:
    return subprocess.run([str(item) for item in command], check=True, capture_output=True, text=True).stdout


def manifests(work: Path) -> None:
    for source in sorted(HERE.glob("*.xml")):
        if source.stem == "utf8":
            continue
        apk = source.with_suffix(".apk")
        run(*LINK, source, "-o", apk)
        source.with_suffix(".txt").write_text(run("aapt2", "dump", "xmltree", "--file", "AndroidManifest.xml", apk))
        run(*LINK, source, "--proto-format", "-o", work / "proto.apk")
        with zipfile.ZipFile(work / "proto.apk") as archive:
            source.with_suffix(".pb").write_bytes(archive.read("AndroidManifest.xml"))


def utf8(work: Path) -> None:
    folder = work / "res" / "xml"
    folder.mkdir(parents=True)
    (folder / "utf8.xml").write_bytes((HERE / "utf8.xml").read_bytes())
    run("aapt2", "compile", folder / "utf8.xml", "-o", work)
    run(*LINK, HERE / "old.xml", "-o", work / "utf8.apk", work / "xml_utf8.xml.flat")
    with zipfile.ZipFile(work / "utf8.apk") as archive:
        (HERE / "utf8.bin").write_bytes(archive.read("res/xml/utf8.xml"))
    (HERE / "utf8.txt").write_text(run("aapt2", "dump", "xmltree", "--file", "res/xml/utf8.xml", work / "utf8.apk"))


def libraries(work: Path) -> None:
    source = work / "nothing.c"
    source.write_text("int nothing(void) { return 0; }\n")
    for name, (page, width) in PAGES.items():
        layout = (f"-Wl,-z,max-page-size={page}", "-Wl,-z,noseparate-code", "-Wl,--build-id=none")
        run("gcc", width, "-shared", "-nostdlib", "-s", *layout, source, "-o", HERE / name)


def signed(work: Path) -> None:
    folder = work / "assets"
    folder.mkdir()
    (folder / "modnet_fp16.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(range(256)))
    plain, aligned, key = work / "plain.apk", work / "aligned.apk", work / "key.jks"
    run(*LINK, HERE / "good.xml", "-A", folder, "-0", "tflite", "-o", plain)
    with zipfile.ZipFile(plain, "a") as archive:
        archive.write(HERE / "page16.so", "lib/x86_64/libLiteRt.so")
    run("zipalign", "-f", "-p", "4", plain, aligned)
    store = ("-keystore", key, "-storepass", "android", "-alias", "a")
    run("keytool", "-genkeypair", *store, "-keyalg", "RSA", "-dname", "CN=a")
    run("apksigner", "sign", "--ks", key, "--ks-pass", "pass:android", "--out", HERE / "signed.apk", aligned)
    (HERE / "signed.apk.idsig").unlink(missing_ok=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for step in (manifests, utf8, libraries, signed):
            (folder := Path(temporary, step.__name__)).mkdir()
            step(folder)
