"""AndroidManifest.xml in each of its three forms, as one tree of elements, and what is asked of it.

The forms are text (a project), Android's binary XML (an APK) and aapt2's protobuf (a bundle, see ``bundle``).
Attributes have their namespace in braces, as ``xml.etree`` writes it; values are text: ``true``, ``24``, ``@7f010002``.

The binary form is read here, in a hundred lines: of the libraries for it, apkInspector 1.3.7 decodes every string of a
pool at once (500 kB can become gigabytes) and sets up logging when it is imported, and pyaxmlparser, last released in
2024, brings lxml and asn1crypto.
"""

from __future__ import annotations

import struct
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers import expat

ANDROID = "{http://schemas.android.com/apk/res/android}"
TOOLS = "{http://schemas.android.com/tools}"
NAME, REQUIRED = f"{ANDROID}name", f"{ANDROID}required"

# Names are looked up by these where there are any: Android itself goes by them, and some packers remove the names.
_KNOWN = {0x01010003: "name", 0x0101020C: "minSdkVersion", 0x0101028E: "required"}
_STRING_POOL, _XML, _RESOURCE_MAP, _START, _END = 0x0001, 0x0003, 0x0180, 0x0102, 0x0103
_UTF8 = 1 << 8
_NONE = 0xFFFFFFFF


def from_text(data: bytes) -> Element:
    """A manifest's source; raises ValueError for what is no XML, or has a DOCTYPE (and so, perhaps, entities)."""
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")

    def qualified(name: str) -> str:
        return "{" + name if "}" in name else name

    def start(name: str, attributes: dict[str, str]) -> None:
        builder.start(qualified(name), {qualified(key): value for key, value in attributes.items()})

    def doctype(*_: object) -> None:
        raise ValueError("it has a DOCTYPE, and so could have entities, which no manifest needs")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: builder.end(qualified(name))
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ParseError) as error:
        raise ValueError(f"it is not XML: {error}") from error


class _Strings:
    """A ResStringPool; a string is decoded when it is asked for.

    So a pool of a few hundred kilobytes whose strings all lie over each other stays one of a few hundred kilobytes.
    """

    def __init__(self, data: bytes, at: int) -> None:
        count, _, flags, start = struct.unpack_from("<IIII", data, at + 8)
        self._data, self._utf8, self._start = data, bool(flags & _UTF8), at + start
        header, size = struct.unpack_from("<HI", data, at + 2)
        if header + 4 * count > size:
            raise ValueError("its table of strings is longer than its place")
        self._offsets = struct.unpack_from(f"<{count}I", data, at + header)

    def __getitem__(self, index: int) -> str:
        at = self._start + self._offsets[index]
        if self._utf8:
            _, at = self._length8(at)
            size, at = self._length8(at)
        else:
            (size,) = struct.unpack_from("<H", self._data, at)
            at += 2
            if size & 0x8000:
                (low,) = struct.unpack_from("<H", self._data, at)
                size, at = (size & 0x7FFF) << 16 | low, at + 2
            size *= 2
        found = self._data[at : at + size]
        if self._utf8:  # Java's: what lies beyond 16 bits is a pair of surrogates
            found = found.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
        return found.decode("utf-16-le", "replace")

    def qualified(self, namespace: int, name: int) -> str:
        """A name with its namespace in braces; one without a namespace as it is."""
        return ("" if namespace == _NONE else "{" + self[namespace] + "}") + self[name]

    def _length8(self, at: int) -> tuple[int, int]:
        first = self._data[at]
        return ((first & 0x7F) << 8 | self._data[at + 1], at + 2) if first & 0x80 else (first, at + 1)


def from_binary(data: bytes) -> Element:
    """Android's binary XML (ResXMLTree of AOSP's ResourceTypes.h); raises ValueError for anything else."""
    try:
        return _binary(data)
    except (struct.error, IndexError, UnicodeError) as error:
        raise ValueError("it is not whole binary XML") from error


def _binary(data: bytes) -> Element:
    kind, at, end = struct.unpack_from("<HHI", data)
    if kind != _XML:
        raise ValueError("it is not binary XML")
    root: Element | None = None
    inside: list[Element] = []
    strings, resources = None, ()
    while at < end:
        kind, header, size = struct.unpack_from("<HHI", data, at)
        if size < 8 or header < 8:
            raise ValueError("it is not whole binary XML")
        if kind == _STRING_POOL:
            strings = _Strings(data, at)
        elif kind == _RESOURCE_MAP:
            resources = struct.unpack_from(f"<{(size - header) // 4}I", data, at + header)
        elif kind == _START and strings is not None:
            namespace, name = struct.unpack_from("<II", data, at + header)
            element = Element(strings.qualified(namespace, name), _attributes(data, at + header, strings, resources))
            if inside:
                inside[-1].append(element)
            root = element if root is None else root
            inside.append(element)
        elif kind == _END:
            inside.pop()
        at += size
    if root is None or inside:
        raise ValueError("it is not whole binary XML")
    return root


def _attributes(data: bytes, at: int, strings: _Strings, resources: tuple[int, ...]) -> dict[str, str]:
    start, size, count = struct.unpack_from("<HHH", data, at + 8)
    found = {}
    for index in range(count):
        namespace, name, raw, kind, value = struct.unpack_from("<IIIxxxBI", data, at + start + index * size)
        known = _KNOWN.get(resources[name]) if name < len(resources) else None
        key = strings.qualified(namespace, name) if known is None else ANDROID + known
        found[key] = _value(kind, value, strings, raw)
    return found


def _value(kind: int, value: int, strings: _Strings, raw: int) -> str:
    """A Res_value as text."""
    if kind == 0x03:
        return strings[value]
    if kind == 0x12:
        return "true" if value else "false"
    if kind == 0x10:
        return str(value - (value >> 31 << 32))
    if kind in (0x01, 0x02, 0x07):
        return f"@{value:08x}"
    return strings[raw] if raw != _NONE else f"0x{value:x}"


def names(manifest: Element, tag: str) -> dict[str, Element]:
    """The elements of one tag, wherever they stand, by their ``android:name``."""
    return {element.get(NAME, ""): element for element in manifest.iter(tag)}


def native_libraries(manifest: Element) -> dict[str, Element]:
    """The ``uses-native-library`` of an app by their names; Android reads those within ``application``."""
    return {
        name: item for app in manifest.iter("application") for name, item in names(app, "uses-native-library").items()
    }


def min_sdk(manifest: Element) -> str | None:
    """``android:minSdkVersion``; None where there is none, which Android takes for 1."""
    uses = manifest.find("uses-sdk")
    return None if uses is None else uses.get(f"{ANDROID}minSdkVersion")


def module_type(manifest: Element) -> str:
    """What a module of a bundle is: ``feature``, or ``asset-pack``, ``ai-pack`` and the like."""
    module = manifest.find("{http://schemas.android.com/apk/distribution}module")
    kinds = [value for key, value in ({} if module is None else module.attrib).items() if key.endswith("}type")]
    return kinds[0] if kinds else "feature"
