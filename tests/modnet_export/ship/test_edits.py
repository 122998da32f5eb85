"""Build files, read again by what reads them for `lint`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.errors import ExportError
from modnet_export.ship.android import edits, gradle
from modnet_export.ship.android.edits import Edit, applied, lacking
from modnet_export.ship.android.project import Project
from tests.modnet_export.ship.projects import (
    CATALOG,
    FORMS,
    GROOVY,
    GROOVY_SCRIPT,
    KOTLIN,
    SCRIPT,
    VERSIONS,
    WITH_LITERT,
    project,
)


def added(before: str, after: str) -> list[str]:
    """The lines that are new; everything else must be there as it was, but for how a block of one line is laid out."""
    import difflib

    changed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    kept = [line[2:].strip() for line in changed if line[0] == "-"]
    new = [line[2:].strip() for line in changed if line[0] == "+"]
    assert not [line for line in kept if "{" not in line or "}" not in line], kept
    return new


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_any_form_gets_what_it_lacks_and_nothing_else(tmp_path, form):
    root = project(tmp_path, FORMS[form])
    found = Project(root)
    script, before = found.app.script, found.app.script.read_bytes()
    wanted = {line for edit in lacking(found) for line in edit.lines}
    made = applied(found)
    lines = added(before.decode(), made.decode())
    assert wanted <= set(lines)
    script.write_bytes(made)
    again = Project(root)
    assert lacking(again) == []
    assert applied(again) == made
    assert (b"\r\n" in before) == (b"\r\n" in made)
    assert made.count(b"\r\n") in (0, made.count(b"\n"))


def test_a_file_of_a_template_becomes_what_a_person_would_write(tmp_path):
    after = applied(Project(project(tmp_path))).decode()
    expected = KOTLIN.replace(
        '        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"\n',
        '        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"\n'
        '        proguardFiles("modnet-rules.pro")\n',
    )
    expected = expected.replace(
        "    }\n}\n\n// dep", '    }\n    androidResources {\n        noCompress.add("tflite")\n    }\n}\n\n// dep'
    )
    expected = expected.replace(
        "espresso.core)\n",
        "espresso.core)\n"
        '    implementation("com.google.ai.edge.litert:litert:2.3.0")\n'
        '    implementation("com.google.ai.edge.litert:litert-gpu:2.3.0")\n',
    )
    assert after == expected


def test_groovy_keeps_its_indentation(tmp_path):
    after = applied(Project(project(tmp_path, FORMS["AGP 8, Groovy"]))).decode()
    assert '  androidResources {\n    noCompress.add("tflite")\n  }\n}\n' in after
    assert '    testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"\n  }\n  buildTypes' in after
    assert '  androidTestImplementation("androidx.test:runner:1.7.0")\n}\n' in after
    assert after.count("androidx.test.ext:junit") == 1


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("LiteRT in the catalog", ["implementation(libs.litert)", "implementation(libs.google.litert.gpu)"]),
        ("LiteRT without its GPU", ['implementation("com.google.ai.edge.litert:litert-gpu:2.3.1")']),
        ("R8 in AGP 9's block", ["optimization { enable = true", 'files.add(project.file("modnet-rules.pro"))']),
        (
            "minified without any rules",
            ['proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "modnet-rules.pro")'],
        ),
    ],
)
def test_what_is_there_decides_how_the_rest_is_written(tmp_path, form, words):
    after = applied(Project(project(tmp_path, FORMS[form]))).decode()
    for word in words:
        assert after.count(word) == 1


def test_an_old_litert_gets_no_accelerator_of_a_version_that_there_is_none_of(tmp_path):
    script = KOTLIN.replace("libs.androidx.core.ktx", '"com.google.ai.edge.litert:litert:2.1.0"')
    assert "litert-gpu" not in applied(Project(project(tmp_path, {SCRIPT: script}))).decode()


def test_the_test_libraries_of_another_module_are_none_of_the_apps(tmp_path):
    changes = {
        SCRIPT: KOTLIN.replace("libs.androidx.junit", 'project(":lib")'),
        "lib/build.gradle.kts": "dependencies { androidTestImplementation(libs.androidx.junit) }",
    }
    assert "androidTestImplementation(libs.androidx.junit)" in applied(Project(project(tmp_path, changes))).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (KOTLIN.replace("android {", "configure<ApplicationExtension> {"), "no block `android { }`"),
        (KOTLIN.replace("    buildTypes {", "    buildTypes {{"), "braces"),
        (KOTLIN.replace("android {", "if (x) { android {").replace("// dep", "} // dep"), "no block `android { }`"),
        (KOTLIN.replace("android {", "// android {\nrun {"), "no block `android { }`"),
        (GROOVY.replace("android {", "android({").replace("'{'", "'").replace("}\n\ndep", "})\n\ndep"), "no block"),
    ],
)  # fmt: skip
def test_another_form_is_refused(tmp_path, text, why):
    found = Project(project(tmp_path, {SCRIPT: text}))
    with pytest.raises(ExportError, match="has a form that cannot be edited") as refused:
        applied(found)
    assert why in str(refused.value)


def test_a_file_that_is_no_utf8_is_refused(tmp_path):
    root = project(tmp_path)
    (root / SCRIPT).write_bytes(KOTLIN.encode() + "// Größe".encode("latin-1"))
    with pytest.raises(ExportError, match="cannot be edited"):
        applied(Project(root))


def test_an_edit_is_no_success_where_it_is_not_found_again(tmp_path, monkeypatch):
    """Whatever goes wrong in putting lines into a file, a file that lacks them is never written."""
    monkeypatch.setattr(edits, "_inserted", lambda text, edit: text)
    with pytest.raises(ExportError, match="not found in it"):
        applied(Project(project(tmp_path)))


INNER = ("androidResources", "defaultConfig", "buildTypes", "compileOptions")
NOISE = ("", "// }\n", "/* { */", 'val a = "{"\n', "val b = '}'\n", 'val c = """}\n{{"""\n', "if (x) { y() }\n")


@st.composite
def scripts(draw) -> str:
    """A build file of blocks in any order, indented and ended in any way, with braces where they mean nothing."""
    unit, end = draw(st.sampled_from(("    ", "  ", "\t"))), draw(st.sampled_from(("\n", "\r\n")))
    noise = st.sampled_from(NOISE)

    def block(name: str, inside: list[str], depth: int) -> str:
        if draw(st.booleans()) and not any("//" in text for text in inside):
            return f"{name} {{ {' '.join(text.strip() for text in inside)} }}\n"
        indented = "".join(unit * (depth + 1) + line + "\n" for text in inside for line in text.splitlines())
        return f"{name} {{\n{indented}{unit * depth}}}\n"

    inner = [block(name, [draw(noise), draw(noise)], 0) for name in draw(st.lists(st.sampled_from(INNER), unique=True))]
    parts = [block("android", inner, 0)]
    if draw(st.booleans()):
        parts.append(block("dependencies", [draw(noise)], 0))
    parts += draw(st.lists(noise, max_size=2))
    text = 'plugins { id("com.android.application") }\n' + "".join(draw(st.permutations(parts)))
    return (text if draw(st.booleans()) else text.rstrip()).replace("\n", end)


EDITS = st.lists(
    st.sampled_from(
        [
            Edit("", ("android", "androidResources"), ("one()",)),
            Edit("", ("android", "defaultConfig"), ("two()", "three()")),
            Edit("", ("android", "buildTypes", "release", "optimization"), ("four()",)),
            Edit("", ("dependencies",), ("five()",)),
        ]
    ),
    unique=True,
)


@settings(deadline=None)
@given(text=scripts(), wanted=EDITS)
def test_lines_go_into_their_block_and_all_that_was_there_stays(text, wanted):
    """``gradle.blocks`` finds blocks in another way, where no braces are hidden in strings."""
    made = text
    for edit in wanted:
        made = edits._inserted(made, edit)
    code = edits._BLANKED.sub(" ", made)
    for edit in wanted:
        for line in edit.lines:
            assert made.count(line) == 1
            assert any(line in inside for inside in gradle.blocks(code, *edit.block))
    characters = iter(made)
    assert all(character in characters for character in "".join(text.split()))


@settings(deadline=None)
@given(text=scripts())
def test_a_second_time_changes_nothing(tmp_path_factory, text):
    folder: Path = tmp_path_factory.getbasetemp() / "again"
    root = project(folder, {SCRIPT: text, CATALOG: WITH_LITERT})
    once = applied(Project(root))
    (root / SCRIPT).write_bytes(once)
    assert applied(Project(root)) == once
    assert lacking(Project(root)) == []


def test_lacking_reads_what_it_is_given(tmp_path):
    found = Project(project(tmp_path, {CATALOG: VERSIONS, GROOVY_SCRIPT: None}))
    nothing = replace(found.app.scripts, own="")
    assert len(lacking(found, nothing)) == 5
