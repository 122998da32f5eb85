"""The report, as a reader sees it: rendered, and opened in a real Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converters.errors import ExportError
from modnet_export import VerifyRequest, verify
from modnet_export.images import inputs
from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import demo_photo
from modnet_export.record.latencies import Latencies
from modnet_export.report import gather, render
from modnet_export.verifying.result import Suspect, TruthErrors
from modnet_export.verifying.tolerances import ToleranceChanges
from tests.conftest import DATA

COLUMNS = {"median ms": "10.5", "peak MB": "93"}
MEASURED = [
    Latencies("a.tflite 1T", (10.0, 10.5, 11.0), (0.0, 1.0, 2.0), COLUMNS, "cpu Some CPU, build " + "x/" * 60),
    Latencies("a.tflite 1T gpu on adb:<1>", (5.0, 5.1), (), COLUMNS, "device Pixel", ("throttled",)),
]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def passing(dist):
    return verify(VerifyRequest(dist, fp16_safety=True))


@pytest.fixture(scope="module")
def failing(passing, dist):
    result = verify(VerifyRequest(dist, tolerances=ToleranceChanges.parse(["psnr_db=100"])))
    suspect = Suspect(
        artefact="modnet_fp16.tflite",
        parent="modnet_fp32.tflite",
        op="CONV_2D <conv>",
        tensor="t",
        reader="",
        parent_op="",
        snr_db=None,
        explanation="made up",
    )
    return result.model_copy(update={"suspects": (suspect,), "unreadable": {"bad & broken.png": "no image"}})


@pytest.fixture(scope="module")
def pages(passing, failing, dist, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    gallery = gather.pictures(gather.PicturesRequest(dist, passing))
    for name, result in (("passing", passing), ("failing", failing)):
        page = render.html(render.Page(result, gallery, MEASURED if name == "passing" else ()))
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in ("passing", "failing")}


def test_page_needs_nothing_else(pages):
    text = pages["passing"].read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|<rdf.*?</rdf:RDF>|<!DOCTYPE[^>]*>', "", text, flags=re.S)


def test_names_are_escaped(pages):
    text = pages["failing"].read_text()
    assert "CONV_2D &lt;conv&gt;" in text
    assert "bad &amp; broken.png" in text


def test_latencies_are_shown_where_there_are_any(pages, passing):
    text = pages["passing"].read_text().replace("<wbr>", "")
    assert text.count("a.tflite 1T gpu on adb:&lt;1&gt;") >= 2
    assert 'aria-label="Latency of every sample by run"' in text
    assert 'aria-label="Latency over time"' in text
    assert '<span class="verdict failed">throttled</span>' in text
    assert "Latency and memory" not in pages["failing"].read_text()
    assert "| `a.tflite 1T gpu on adb:<1>`, **throttled** | 10.5 | 93 |" in render.markdown(passing, MEASURED)


def test_markdown_says_what_failed(failing, passing):
    text = render.markdown(failing)
    assert "1 check(s) failed" in text
    assert re.search(r"`modnet_fp16\.tflite` .*\*\*6\d\.\d+\*\*.*\*\*failed\*\*", text)
    assert "made by **TFLite weight compression**" in text
    assert "leaves modnet_fp32.tflite at `CONV_2D <conv>`: made up" in text
    assert "**" not in render.markdown(passing)
    # A table row has as many cells as its head.
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {rows[0].count("|")}


def test_columns_are_explained_as_the_table_of_measures_has_them(pages, passing):
    said = "In the columns max, 99.9 %, PSNR dB and SSIM the value is that of the worst input"
    assert said in pages["passing"].read_text()
    assert said in render.markdown(passing)


def test_errors_against_the_truth_are_tabled(passing):
    truth = TruthErrors(images=3, mad=0.01, mse=0.001, sad=2.5, grad=3.5, conn=4.5)
    links = tuple(link.model_copy(update={"truth": truth}) for link in passing.links)
    page = render.html(render.Page(passing.model_copy(update={"truth": truth, "links": links}), gather.Gallery()))
    head, body = page.split("Against the ground truth</h2>")[1].split("</thead>", 1)
    assert re.findall(r'"col">([^<]*)<', head) == ["3 images", "mean (MAD)", "MSE", "SAD", "Grad", "Conn"]
    assert body.split("</tbody>")[0].count("2.5") == 5


def test_worst_inputs_are_shown_first(dist, tmp_path):
    save_image(tmp_path / "black.png", demo_photo() * 0)
    for index in range(4):
        save_image(tmp_path / f"{index}.png", demo_photo()[index * 20 :])
    chosen = inputs.images([tmp_path])
    result = verify(VerifyRequest(dist, chosen))
    views = gather.pictures(gather.PicturesRequest(dist, result, chosen)).views["modnet_fp16.tflite"]
    largest = {item.input: item.mad for item in result.links[3].measurements}
    assert [view.input for view in views] == sorted(largest, key=lambda name: -largest[name])[:3]


def test_each_artefact_shows_its_own_worst_inputs_and_shares_their_photos(dist, tmp_path):
    for index in range(2):
        save_image(tmp_path / f"{index}.png", demo_photo()[index * 60 :])
    chosen = inputs.images([tmp_path])
    result = verify(VerifyRequest(dist, chosen))
    worst = {link.name: ["0.png", "1.png"][number % 2] for number, link in enumerate(result.links)}
    links = tuple(
        link.model_copy(
            update={
                "measurements": tuple(
                    item.model_copy(update={"mad": None if item.input == worst[link.name] else 1e-6})
                    for item in link.measurements
                )
            }
        )
        for link in result.links
    )
    changed = result.model_copy(update={"links": links})
    gallery = gather.pictures(gather.PicturesRequest(dist, changed, chosen))
    assert {name: views[0].input for name, views in gallery.views.items()} == worst
    page = render.html(render.Page(changed, gallery))
    assert page.count("data:image/jpeg") == len(gallery.inputs) == 2


def test_result_of_inputs_that_are_not_here_is_refused(dist, passing, tmp_path):
    save_image(tmp_path / "other.png", demo_photo())
    with pytest.raises(ExportError, match="none of the inputs of this result"):
        gather.pictures(gather.PicturesRequest(dist, passing, inputs.images([tmp_path])))


@pytest.fixture
def visit(browser, pages):
    """Open a page; what it says on the console or fails to load ends the test."""
    contexts, complaints = [], []

    def open_page(name, viewport=WIDE, scheme="light"):
        context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url[:100]))
        page.goto(pages[name].as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def test_zoom_works_by_keyboard_and_by_click(visit):
    page = visit("passing")
    view = page.locator(".viewer").first
    button, picture = view.locator("button.zoom"), view.locator(".frame > *").first

    def scale():
        page.wait_for_timeout(250)
        return float(picture.evaluate("element => new DOMMatrix(getComputedStyle(element).transform).a"))

    assert scale() == 1
    button.focus()
    page.keyboard.press("Enter")
    assert (scale(), button.get_attribute("aria-pressed")) == (4, "true")
    view.locator(".pictures").click()
    assert (scale(), button.get_attribute("aria-pressed")) == (1, "false")


def test_everything_of_use_is_reached_by_keyboard(visit):
    page = visit("passing")
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName + (document.activeElement.type || '')"))
    assert {"SUMMARY", "INPUTrange", "BUTTONbutton", "DIV"} <= seen
    unnamed = page.locator("img:not([alt]), input:not([aria-label]), svg:not([aria-label], [aria-hidden])")
    assert unnamed.count() == 0


@pytest.mark.parametrize("name", ["passing", "failing"])
def test_failing_artefact_is_visibly_failing(visit, name):
    page = visit(name)
    verdict = page.locator("tr:has-text('modnet_fp16.tflite') td.verdict").first
    good = page.locator("tr:has-text('modnet_fp32.onnx') td.verdict").first
    colours = [item.evaluate("element => getComputedStyle(element).color") for item in (verdict, good)]
    assert (verdict.inner_text() == "failed") == (name == "failing")
    assert (colours[0] != colours[1]) == (name == "failing")
    assert page.locator("td.missed").count() == (1 if name == "failing" else 0)
    assert page.locator("section.artefact.failed").count() == (1 if name == "failing" else 0)
    assert ("look at TFLite weight compression" in page.locator(".banner").inner_text()) == (name == "failing")


@pytest.mark.parametrize(("name", "viewport"), [("wide", WIDE), ("phone", PHONE)])
def test_layout_is_the_known_one(visit, name, viewport, tmp_path):
    """As coarse grey tiles, which do not change with fonts and versions but do with what is where."""
    page = visit("passing", viewport)
    page.locator("section.artefact").nth(3).scroll_into_view_if_needed()
    page.locator("section.artefact").nth(3).screenshot(path=tmp_path / "shot.png")
    found = np.asarray(Image.open(tmp_path / "shot.png").convert("L").resize((24, 32), Image.Resampling.BOX), float)
    known = DATA / f"report_{name}.png"
    if not known.exists():  # written anew when it was removed on purpose
        Image.fromarray(found.astype(np.uint8)).save(known)
        pytest.fail(f"{known.name} is new: look at it, and commit it")
    assert np.abs(found - np.asarray(Image.open(known), float)).mean() < 12
