"""The app's build, texts, colours and layout, as files: no toolchain is needed."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import tomllib

from modnet_export.ship.android import edits, shipping
from tests.apps import kotlin

APP = kotlin.DEMO / "app"
MAIN = APP / "src/main"
ANDROID = "{http://schemas.android.com/apk/res/android}"
CLICKABLE = {"Button", "ImageButton", "RadioButton", "Switch", "CheckBox"}
TEXTS = {f"{ANDROID}{name}" for name in ("text", "hint", "contentDescription", "label")}
SMALLEST_TARGET_DP = 48
LEAST_CONTRAST = 4.5
"""WCAG 2.1, success criterion 1.4.3, level AA."""
ON = [("on_surface", "surface"), ("on_surface_soft", "surface"), ("on_accent", "accent")]


def layout(text: str | None = None) -> list[Element]:
    root = ElementTree.fromstring(text or (MAIN / "res/layout/activity_main.xml").read_text())
    styles = {
        f"@style/{style.get('name')}": {
            f"{ANDROID}{item.get('name').removeprefix('android:')}": item.text for item in style
        }
        for style in ElementTree.parse(MAIN / "res/values/styles.xml").getroot()
    }
    for element in root.iter():
        for name, value in styles.get(element.get("style", ""), {}).items():
            element.attrib.setdefault(name, value or "")
    return list(root.iter())


def values(folder: str, tag: str) -> dict[str, str]:
    found = {}
    for path in (MAIN / "res" / folder).glob("*.xml"):
        found |= {item.get("name", ""): item.text or "" for item in ElementTree.parse(path).getroot().iter(tag)}
    return found


def dp(value: str) -> float:
    value = values("values", "dimen")[value.removeprefix("@dimen/")] if value.startswith("@") else value
    return float(value.removesuffix("dp")) if value.endswith("dp") else 0


def literal_texts(elements: list[Element]) -> list[str]:
    return [v for item in elements for k, v in item.attrib.items() if k in TEXTS and not v.startswith("@string/")]


def unnamed(elements: list[Element]) -> list[str]:
    """Views that can be tapped, and pictures, of which a screen reader has nothing to say."""
    wanted = CLICKABLE | {"ImageView", "io.modnet.demo.MatteView"}
    # What is said on the one button whose text is set by what it is for.
    told = {"@+id/remedy"}
    found = [item for item in elements if item.tag in wanted and not TEXTS & item.attrib.keys()]
    return [name for item in found if (name := item.get(f"{ANDROID}id", item.tag)) not in told]


def small(elements: list[Element]) -> list[str]:
    """Views that can be tapped and are smaller than a finger."""

    def least(item: Element, side: str) -> float:
        names = (f"layout_{side.lower()}", f"min{side}")
        return max(dp(item.get(f"{ANDROID}{name}", "")) for name in names)

    found = [item for item in elements if item.tag in CLICKABLE]
    # A text makes them wide enough; an image does not.
    return [
        item.get(f"{ANDROID}id", item.tag)
        for item in found
        if least(item, "Height") < SMALLEST_TARGET_DP
        or (item.tag == "ImageButton" and least(item, "Width") < SMALLEST_TARGET_DP)
    ]


def contrast(first: str, second: str) -> float:
    """Of two colours #RRGGBB, as WCAG 2.1 defines it: from 1 to 21."""

    def luminance(colour: str) -> float:
        levels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [level / 12.92 if level <= 0.03928 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(map(luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


def test_every_text_is_a_resource():
    manifest = ElementTree.parse(MAIN / "AndroidManifest.xml").getroot()
    assert not literal_texts([*layout(), *manifest.iter()])
    sources = {path: path.read_text() for path in kotlin.sources(MAIN)}
    shown = re.compile(r"(?:setText|makeText|contentDescription|\.text)\b[^\n]*\"[A-Za-z]")
    assert not [path.name for path, text in sources.items() if shown.search(text)]
    used = set(re.findall(r"R\.string\.(\w+)|@string/(\w+)", "".join([*sources.values(), *map(read, xml())])))
    assert {name for pair in used for name in pair if name} == values("values", "string").keys()


def test_every_view_that_can_be_tapped_is_named_and_large_enough():
    assert sum(item.tag in CLICKABLE for item in layout()) == 9
    assert not unnamed(layout())
    assert not small(layout())


@pytest.mark.parametrize(
    ("change", "check", "named"),
    [
        ((r'android:contentDescription="@string/save"', ""), unnamed, "@+id/save"),
        ((r'android:contentDescription="@string/picture" />', "/>"), unnamed, "@+id/picture"),
        ((r'(remedy"[\s\S]*?)android:minHeight="@dimen/touch"', r"\1"), small, "@+id/remedy"),
        ((r'(android:id="@\+id/lens"\s+)style="@style/Tool"', r'\1android:layout_height="48dp"'), small, "@+id/lens"),
        ((r"@string/use_gpu", "Use the GPU"), literal_texts, "Use the GPU"),
    ],
)
def test_a_view_that_is_not_is_noticed(change, check, named):
    text = read(MAIN / "res/layout/activity_main.xml")
    changed, count = re.subn(*change, text)
    assert count == 1
    assert check(layout(changed)) == [named]


@pytest.mark.parametrize("theme", ["values", "values-night"])
def test_texts_stand_out_in_both_themes(theme):
    colours = values("values", "color") | values(theme, "color")
    assert {pair: contrast(*map(colours.get, pair)) >= LEAST_CONTRAST for pair in ON} == dict.fromkeys(ON, True)
    # No text has a colour of its own, and each of these is used.
    used = {
        item.get(f"{ANDROID}textColor", "").removeprefix("@color/")
        for item in layout()
        if "textColor" in str(item.attrib)
    }
    assert used == {name for name, _ in ON}


def test_contrast_is_wcags():
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)  # the usual example that just fails


def test_litert_is_the_version_that_is_shipped():
    catalog = tomllib.loads(read(kotlin.DEMO / "gradle/libs.versions.toml"))
    assert catalog["versions"]["litert"] == edits.LITERT_VERSION


def test_the_library_keeps_what_is_shipped_into_apps():
    assert (kotlin.DEMO / "matting/consumer-rules.pro").read_bytes() == shipping.RULES


def test_the_benchmark_activity_is_for_adb_alone_and_not_in_a_release():
    found = [path for path in APP.rglob("AndroidManifest.xml") if "Benchmark" in read(path)]
    assert found == [APP / "src/benchmark/AndroidManifest.xml"]
    (activity,) = ElementTree.parse(found[0]).getroot().iter("activity")
    assert activity.get(f"{ANDROID}permission") == "android.permission.DUMP"
    assert [path.parts[-6] for path in APP.rglob("BenchmarkActivity.kt")] == ["benchmark"]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def xml() -> list[Path]:
    return [*(MAIN / "res/layout").glob("*.xml"), MAIN / "AndroidManifest.xml"]
