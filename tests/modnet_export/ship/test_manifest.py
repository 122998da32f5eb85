"""The three forms of a manifest, against what aapt2 itself says is in them."""

from __future__ import annotations

import re
import struct
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modnet_export.ship.android import bundle, manifest
from tests.modnet_export.ship.apps import DATA
from tests.modnet_export.ship.apps import manifest as binary

NAMES = ["good", "old", "demanding", "pack"]
Flat = list[tuple[str, dict[str, str]]]


def flat(tree: Element) -> Flat:
    return [(element.tag, dict(element.attrib)) for element in tree.iter()]


def of_aapt2(name: str) -> Flat:
    """``aapt2 dump xmltree`` as elements; floats are left out, which no rule asks for."""
    found: Flat = []
    for line in (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if element := re.match(r"\s*E: (?:(\S+):)?(\S+)", line):
            found.append((f"{{{element[1]}}}{element[2]}" if element[1] else element[2], {}))
        elif item := re.match(r'\s*A: (?:(.+):)?([\w.]+)(?:\(0x\w+\))?=(?:"(.*)" \(Raw: .*|(\S+))$', line):
            key = f"{{{item[1]}}}{item[2]}" if item[1] else item[2]
            found[-1][1][key] = item[3] if item[3] is not None else item[4]
    return found


def comparable(found: Flat) -> Flat:
    """References and hexadecimal numbers written alike; no floats, and nothing that aapt2 adds on its own."""

    def plain(value: str) -> str:
        return re.sub(r"^(@?)(0x)?0*([0-9a-f]{4,})$", r"\1\3", value)

    dropped = ("maxAspectRatio", "compileSdkVersion", "compileSdkVersionCodename", "platformBuildVersion")
    return [
        (tag, {key: plain(value) for key, value in items.items() if not key.rpartition("}")[2].startswith(dropped)})
        for tag, items in found
    ]


@pytest.mark.parametrize("name", NAMES)
def test_binary_form_is_what_aapt2_reads(name):
    assert comparable(flat(manifest.from_binary(binary(name)))) == comparable(of_aapt2(name))


def test_strings_in_utf_8_are_read_too():
    """In aapt2's other files; some packers write manifests so."""
    assert flat(manifest.from_binary((DATA / "utf8.bin").read_bytes())) == of_aapt2("utf8")


@pytest.mark.parametrize("name", NAMES)
def test_the_forms_are_the_same_manifest(name):
    text = flat(manifest.from_text((DATA / f"{name}.xml").read_bytes()))
    written = {"0x00030000": "0x30000", "@android:drawable/sym_def_app_icon": "@01080093"}
    text = [(tag, {key: written.get(value, value) for key, value in items.items()}) for tag, items in text]
    assert comparable(flat(manifest.from_binary(binary(name)))) == comparable(text)
    proto = bundle.manifest((DATA / f"{name}.pb").read_bytes())
    proto_flat = [(tag, {key: written.get(value, value) for key, value in items.items()}) for tag, items in flat(proto)]
    assert comparable(proto_flat) == comparable(text)


def test_attributes_are_known_by_their_resource_where_names_are_removed():
    """What resource obfuscators leave: an empty string, and the id that Android goes by."""
    data = binary("old")
    name = "minSdkVersion".encode("utf-16-le")
    assert data.count(name) == 1
    stripped = data.replace(name, bytes(len(name)))
    assert manifest.min_sdk(manifest.from_binary(stripped)) == "21"


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE manifest [<!ENTITY a "b">]><manifest>&a;</manifest>',
        '<!DOCTYPE manifest [<!ENTITY a SYSTEM "file:///etc/passwd">]><manifest>&a;</manifest>',
        '<!DOCTYPE manifest SYSTEM "http://localhost/evil.dtd"><manifest/>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(text, encoding):
    with pytest.raises(ValueError, match="DOCTYPE"):
        manifest.from_text(text.encode(encoding))


@pytest.mark.parametrize("text", ["", "<manifest>", "no xml", "<a/><b/>", "<manifest>&undefined;</manifest>"])
def test_what_is_no_xml_is_said_to_be_none(text):
    with pytest.raises(ValueError, match="it is not XML"):
        manifest.from_text(text.encode())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_binary_xml_is_a_value_error_or_a_tree(data):
    whole = bytearray(binary("good"))
    whole = whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole
    for _ in range(data.draw(st.integers(0, 4)) if whole else 0):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    try:
        tree = manifest.from_binary(bytes(whole))
    except ValueError:
        return
    assert isinstance(tree, Element)


@settings(max_examples=100, deadline=None)
@given(noise=st.binary(max_size=300), kind=st.sampled_from(["XmlNode", "BundleConfig", "AppDependencies"]))
def test_noise_in_protobuf_is_a_value_error_or_a_message(noise, kind):
    try:
        bundle.message(kind, noise)
        bundle.manifest(noise)
    except ValueError as error:
        assert "protobuf" in str(error)


def test_a_pool_of_strings_over_each_other_stays_small():
    """Decoded at once, this one of 500 kB would be one of 20 gigabytes."""
    count = 50_000
    letters = "a".encode("utf-16-le") * 150_000
    length = struct.pack("<HH", 0x8000 | 2, 150_000 - (2 << 16))
    pool = struct.pack("<HHI5I", 1, 28, 28 + 4 * count + 4 + len(letters), count, 0, 0, 28 + 4 * count, 0)
    pool += bytes(4 * count) + length + letters
    element = struct.pack("<HHIIIIIHHHHHH", 0x102, 16, 36, 1, 0xFFFFFFFF, 0xFFFFFFFF, 7, 20, 20, 0, 0, 0, 0)
    end = struct.pack("<HHIIIII", 0x103, 16, 24, 1, 0xFFFFFFFF, 0xFFFFFFFF, 7)
    data = struct.pack("<HHI", 3, 8, 8 + len(pool) + len(element) + len(end)) + pool + element + end
    assert manifest.from_binary(data).tag == "a" * 150_000
