"""What is read of projects, and put into them, against whatever names and texts there may be."""

from __future__ import annotations

import json
import plistlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from converters.errors import ExportError
from modnet_export import Size
from modnet_export.ship.ios import model, openstep
from modnet_export.ship.ios.project import Project
from modnet_export.ship.ios.shipping import ShipRequest, ship
from modnet_export.ship.ios.swiftcode import calls, literal, unescaped, with_elements
from modnet_export.ship.ios.target import WRAPPERS, Target
from modnet_export.ship.ios.xcodegen import _inserted, _quoted
from tests.modnet_export.ship.exports import export
from tests.modnet_export.ship.ios_projects import FORMS, PBXPROJ, project
from tests.modnet_export.ship.projects import tree

NAMES = (
    st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters="/\\$"))
    .map(lambda text: "a" + text.strip())
    .filter(lambda name: not name.endswith(WRAPPERS))
)
# pbxproj writes a NUL as \0 whatever follows: with an octal digit behind it, that is another number to Xcode and to us.
TREES = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: re.search("\0[0-7]", text) is None),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"\A[A-Za-z_.]+\Z"), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def one_export(tmp_path_factory) -> Path:
    return export(tmp_path_factory.mktemp("export") / "dist")


def written(folder: Path, form: str, name: str) -> Path:
    """A project whose target has some name."""
    from pbxproj import PBXGenericObject

    for path, text in FORMS[form].items():
        if path.endswith((".yml", ".swift")) and "/" not in path:
            spelled = (json.dumps if path.endswith(".yml") else literal)(name)
            text = text.replace('"My App"', spelled).replace('"My App/', f"{spelled[:-1]}/")
            for place in ("  My App:", "path: My App\n", "target: My App\n"):
                text = text.replace(place, place.replace("My App", spelled))
        elif path.endswith(".pbxproj"):
            text = text.replace('"My App"', PBXGenericObject._escape(name, exclude=["'"]))
        path = path.replace("My App/", f"{name}/")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.mark.parametrize("form", ["XcodeGen", "Swift package", "Tuist", "Xcode"])
@settings(deadline=None, max_examples=5)
@given(name=NAMES)
@example(name='it\'s "my" app: # {a}, [b] & *c')
def test_a_second_run_changes_nothing_whatever_the_target_is_called(one_export, form, name):
    with TemporaryDirectory() as folder:
        app = written(Path(folder, "app"), form, name)
        request = ShipRequest(app, (one_export / "modnet_fp16.mlpackage",), apply=True)
        before = tree(app)
        try:
            ship(request).carry_out()
        except ExportError:
            assert "*/" in name or any(c in name for c in "*?[{"), name  # ends a comment, or is a pattern
            assert tree(app) == before
            return
        after = tree(app)
        again = ship(request)
        assert (again.changes, again.steps) == ((), ())
        assert tree(app) == after


@settings(deadline=None, max_examples=30)
@given(content=st.dictionaries(st.from_regex(r"\A[A-Za-z][A-Za-z_.]*\Z"), TREES, min_size=1))
@example(content={"shellScript": "printf 'a\\nb'\n\t\"c\"\\\\n"})
def test_what_pbxproj_writes_is_read_as_it_was(content):
    """Keys that begin with an underscore, and empty lists and dictionaries, are the library's own."""
    from pbxproj import PBXGenericObject

    def kept(value):
        if isinstance(value, dict):
            return {key: kept(item) for key, item in value.items() if not key.startswith("_")}
        return [kept(item) for item in value] if isinstance(value, list) else value

    assert openstep.parse(repr(PBXGenericObject().parse(kept(content)))) == kept(content)


@pytest.mark.parametrize(("written", "value"), [(r"\0", "\0"), (r"\00", "\0"), (r"\0008", "\x008"), (r"\101", "A")])
def test_an_escape_has_up_to_three_octal_digits(written, value):
    """As Apple's parser reads them (CoreFoundation, CFOldStylePList.c, getSlashedChar)."""
    assert openstep.parse(f'{{ A = "{written}"; }}') == {"A": value}


@settings(deadline=None, max_examples=50)
@given(at=st.integers(0, len(PBXPROJ) - 1), noise=st.text(max_size=2))
def test_a_pbxproj_with_a_part_changed_is_read_or_refused(at, noise):
    with TemporaryDirectory() as folder:
        path = Path(folder, "A.xcodeproj/project.pbxproj")
        path.parent.mkdir()
        path.write_text(PBXPROJ[:at] + noise.replace("\r", "") + PBXPROJ[at + 1 :], encoding="utf-8", errors="replace")
        try:
            assert isinstance(Project(Path(folder)).target, Target)
        except ExportError as error:
            assert error.exit_code == 2


@settings(deadline=None)
@given(text=st.text())
@example(text='a"\\(b)\n\u2028\x00')
def test_a_swift_literal_is_the_text_and_has_no_interpolation(text):
    spelled = literal(text)
    assert unescaped(spelled[1:-1]) == text
    assert "\\(" not in spelled.replace("\\\\", "")
    (call,) = calls(f"f(a: {spelled})", "f")
    assert call.string("a") == text or "\\(" in spelled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f(a: [])", "f(a: [x])"),
        ("f(a: [b], c: 1)", "f(a: [b, x], c: 1)"),
        ("f(a: [b,])", "f(a: [b, x])"),
        ("f(a: [\n    b\n])", "f(a: [\n    b,\n    x,\n])"),
        ('f(\n  a: [\n    "//", // ]\n  ]\n)', 'f(\n  a: [\n    "//",\n      x, // ]\n  ]\n)'),
        ("f(b: 1)", "f(b: 1, a: [x])"),
        ("f(\n    b: g(1, [2])\n)", "f(\n    b: g(1, [2]),\n    a: [x]\n)"),
    ],
)
def test_elements_go_to_the_end_of_a_list(text, expected):
    (call,) = calls(text, "f")
    assert with_elements(call, "a", ["x"], ("b",)) == expected


@pytest.mark.parametrize("text", ["f(a: b + [c])", "f(c: 1)"])
def test_what_is_no_list_is_refused(text):
    (call,) = calls(text, "f")
    with pytest.raises(ValueError, match=r"not a list|no place"):
        with_elements(call, "a", ["x"], ("b",))


@pytest.mark.parametrize("text", ["f(a: [)", "f(", "f(a: (]))"])
def test_open_brackets_are_refused(text):
    with pytest.raises(ValueError, match="not in pairs"):
        list(calls(text, "f"))


@pytest.mark.parametrize(
    ("form", "old", "new", "module"),
    [
        ("Xcode", "TARGET_NAME", "TARGET_NAME", "My_App"),
        ("Xcode", 'PRODUCT_NAME = "$(TARGET_NAME)"', "PRODUCT_NAME = 2048", "_048"),
        ("Xcode", 'PRODUCT_NAME = "$(TARGET_NAME)"', "PRODUCT_MODULE_NAME = Cut; PRODUCT_NAME = A", "Cut"),
        ("XcodeGen", "platform: iOS", "productName: A-B\n    platform: iOS", "A_B"),
        ("Swift package", "// )", "// ", "My_App"),
        ("Tuist", "destinations: .iOS", 'productName: "A B", destinations: .iOS', "A_B"),
    ],
)
def test_the_module_that_a_test_imports_is_the_products(tmp_path, one_export, form, old, new, module):
    (name, text), *_ = FORMS[form].items()
    folder = project(tmp_path / "app", form, {name: text.replace(old, new)})
    ship(ShipRequest(folder, (one_export / "modnet_fp16.mlpackage",))).carry_out()
    (test,) = folder.rglob("ModnetParityTests.swift")
    assert f"@testable import {module}\n" in test.read_text()


def test_a_target_that_another_names_by_a_call_is_read_once(tmp_path, one_export):
    text = FORMS["Swift package"]["Package.swift"]
    text = text.replace('dependencies: ["My App"]', 'dependencies: [.target(name: "My App")]')
    first, second = text.index("        .target("), text.index("        .testTarget(")
    text = text[:first] + text[second : text.index("    ]\n)")] + text[first:second] + text[text.index("    ]\n)") :]
    folder = project(tmp_path / "app", "Swift package", {"Package.swift": text})
    request = ShipRequest(folder, (one_export / "modnet_fp16.mlpackage",), apply=True)
    ship(request).carry_out()
    assert ship(request).changes == ()
    assert sorted(item.name for item in Project(folder).form.targets) == ["My App", "My App Tests"]


@pytest.mark.parametrize(
    "spelled", ['"A.plist"', '.file(path: "A.plist")', '.file(path: .relativeToManifest("A.plist"))']
)
def test_tuists_info_plist_may_be_a_file(tmp_path, spelled):
    text = FORMS["Tuist"]["Project.swift"].replace(
        '.extendingDefault(with: ["NSCameraUsageDescription": "to cut you out"])', spelled
    )
    folder = project(tmp_path / "app", "Tuist", {"Project.swift": text})
    (folder / "A.plist").write_bytes(plistlib.dumps({"NSCameraUsageDescription": "x"}))
    assert Project(folder).target.info == {"NSCameraUsageDescription": "x"}


def test_a_name_may_be_a_constant_of_the_file(tmp_path):
    text = FORMS["Tuist"]["Project.swift"].replace(
        '.target(\n            name: "My App"', "Target.target(\n            name: app"
    )
    folder = project(tmp_path / "app", "Tuist", {"Project.swift": 'let app: String = "My App"\n' + text})
    assert Project(folder).target.name == "My App"


def test_what_is_commented_out_and_not_for_ios_is_not_read(tmp_path):
    text = FORMS["Tuist"]["Project.swift"]
    text = text.replace("dependencies: []", 'dependencies: [/* .package(product: "MattingKit") */]')
    other = '.target(name: "Mac", destinations: .macOS, product: .app, sources: ["Mac/**"]),\n        // .target(\n'
    folder = project(
        tmp_path / "app", "Tuist", {"Project.swift": text.replace("targets: [", f"targets: [\n        {other}")}
    )
    found = Project(folder)
    assert ([item.name for item in found.form.targets], found.kit) == (["My App", "My App Tests"], False)


@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1))
@example(text="yes")
@example(text="a: b # c")
def test_a_string_of_yaml_is_the_text(text):
    import yaml

    assert yaml.safe_load(f"a:\n  - {_quoted(text)}\n") == {"a": [text]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("targets:\n  A:\n    sources: a\n", "targets:\n  A:\n    sources: [a, x]\n"),
        ("targets:\n  A:\n    sources: [a]\n", "targets:\n  A:\n    sources: [a, x]\n"),
        ("targets:\n  A:\n    sources:\n    - a # b\n", "targets:\n  A:\n    sources:\n    - a # b\n    - x\n"),
        ("targets:\n  A:\n    type: b\n\n  # c\n", "targets:\n  A:\n    type: b\n    sources:\n      - x\n\n  # c\n"),
    ],
)
def test_an_entry_goes_into_yaml_and_comments_stay(text, expected):
    assert _inserted(text, ("targets", "A", "sources"), "x") == expected


def test_a_package_says_what_coremltools_says_of_it(exported):
    import coremltools

    path = exported(size=Size(height=64, width=96), formats=("coreml",), precisions=("fp32",)) / "modnet_fp32.mlpackage"
    spec = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()
    found = model.from_package(lambda name: (path / name).read_bytes())
    assert found.specification == spec.specificationVersion
    for ports, described in ((found.inputs, spec.description.input), (found.outputs, spec.description.output)):
        assert [(port.name, port.height, port.width) for port in ports] == [
            (item.name, item.type.imageType.height, item.type.imageType.width) for item in described
        ]
    assert found.creator_defined == dict(spec.description.metadata.userDefined)


def test_ios_versions_are_those_of_coremltools():
    """The specification that each deployment target needs."""
    import coremltools as ct

    for name, target in ct.target.__members__.items():
        if name.startswith("iOS") and target.value >= 6:
            assert model.Model(int(target.value), (), (), {}).ios == int(name[3:]), name
