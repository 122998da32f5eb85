"""The page's layout in a real Chromium: nothing is cut at any width, in either scheme, on paper or without a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from modnet_export.record.measures import Measurement
from modnet_export.report import render
from modnet_export.report.gather import Gallery
from tests.modnet_export.report.crowded import FILES, INPUTS, crowded

pytestmark = pytest.mark.long
LAYOUT = Path(__file__).with_name("layout.js").read_text(encoding="utf-8")
CONTRASTS = Path(__file__).with_name("contrasts.js").read_text(encoding="utf-8")
OPEN = "document.querySelectorAll('details').forEach(item => item.open = true)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("crowded")
    for name in ("passing", "failing"):
        page = render.html(crowded(failing=name == "failing"))
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["passing", "failing"])
def page(browser, folder, request):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((folder / f"{request.param}.html").as_uri())
    page.evaluate(OPEN)
    yield page
    context.close()


@pytest.mark.parametrize("width", [360, 390, 768, 1280, 1920])
def test_nothing_is_wider_than_what_holds_it(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate(LAYOUT) == []


def test_whole_table_of_measures_is_seen_without_scrolling_on_a_laptop(page):
    page.set_viewport_size({"width": 1280, "height": 900})
    table = page.locator("[aria-labelledby=measures]")
    assert table.evaluate("element => element.scrollWidth <= element.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_letter_can_be_read(page, scheme):
    """WCAG 2.1 AA, of all text and in diagrams."""
    page.emulate_media(color_scheme=scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert page.evaluate(CONTRASTS) == []


def test_paper_shows_every_picture_and_what_is_folded(browser, folder):
    context = browser.new_context(viewport={"width": 718, "height": 1000}, color_scheme="dark")
    page = context.new_page()
    page.goto((folder / "passing.html").as_uri())
    page.emulate_media(media="print")
    assert page.evaluate(LAYOUT) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    figures = page.locator(".pictures figure")
    seen = "all => all.filter(item => item.checkVisibility() && getComputedStyle(item).clipPath === 'none').length"
    assert figures.evaluate_all(seen) == len(FILES) * len(INPUTS) * 5
    assert page.locator("td, dd, li").evaluate_all("all => all.every(item => item.checkVisibility())")
    assert not page.locator(".controls, .all, nav").evaluate_all("all => all.some(item => item.checkVisibility())")
    context.close()


def test_without_a_script_the_pictures_stand_side_by_side(browser, folder):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "passing.html").as_uri())
    viewer = page.locator(".viewer").first
    boxes = [figure.bounding_box() for figure in viewer.locator("figure").all()]
    assert [box["x"] for box in boxes] == sorted({box["x"] for box in boxes})
    assert len({box["y"] for box in boxes}) == 1
    assert viewer.locator("figcaption").all_inner_texts() == ["photo", "reference", "matte", "composite", "difference"]
    assert not viewer.locator("input").is_visible()
    context.close()


def _shown(viewer) -> str:
    """The caption of the picture that lies on top, on the left and on the right of a viewer."""
    return viewer.locator(".pictures").evaluate(
        """pictures => {
          pictures.scrollIntoView({block: "center"});
          const area = pictures.getBoundingClientRect();
          const top = part => document.elementFromPoint(area.left + part * area.width, area.top + area.height / 2);
          return [.1, .9].map(part => top(part).closest("figure").querySelector("figcaption").textContent).join(" | ");
        }"""
    )


def test_slider_goes_from_picture_to_picture_by_keyboard(page):
    page.emulate_media(color_scheme="light")
    viewer = page.locator(".viewer").first
    slider = viewer.locator("input[type=range]")
    slider.focus()
    seen = []
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowLeft", "End"):
        page.keyboard.press(key)
        seen.append(_shown(viewer))
        assert seen[-1].startswith(slider.get_attribute("aria-valuetext"))
        assert viewer.locator(".stops button[aria-pressed=true]").all_inner_texts() == [seen[-1].split(" | ")[0]]
    order = ["photo", "reference", "matte", "composite", "difference", "difference", "composite", "difference"]
    assert seen == [f"{caption} | {caption}" for caption in order]


def test_slider_covers_a_picture_with_the_next_by_mouse(page):
    viewer = page.locator(".viewer").first
    viewer.get_by_role("button", name="reference").click()
    assert _shown(viewer) == "reference | reference"
    box = viewer.locator("input[type=range]").bounding_box()
    page.mouse.move(box["x"] + 8 + (box["width"] - 16) / 4, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 8 + (box["width"] - 16) * 3 / 8, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert _shown(viewer) == "matte | reference"


def test_one_button_switches_all_viewers(page):
    page.locator(".all").get_by_role("button", name="composite").click()
    viewers = page.locator(".viewer")
    for number in (0, len(FILES) * len(INPUTS) - 1):
        assert _shown(viewers.nth(number)) == "composite | composite"


def test_models_that_were_not_run_or_are_not_finite_have_a_page_too(browser, tmp_path):
    whole = crowded(failing=True)
    broken = Measurement.judged(INPUTS[0], {"max_abs_difference": None}, whole.result.links[0].tolerance)
    links = [
        link.model_copy(
            update={
                "measurements": (broken,) if number == 0 else (),
                "truth": None,
                "verdict": "failed" if number == 0 else "not run",
                "reason": "its matte is not finite" if number == 0 else "no engine",
            }
        )
        for number, link in enumerate(whole.result.links)
    ]
    result = whole.result.model_copy(update={"links": tuple(links), "suspects": (), "truth": None})
    (tmp_path / "page.html").write_text(render.html(render.Page(result, Gallery())), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((tmp_path / "page.html").as_uri())
    assert page.evaluate(LAYOUT) == []
    assert page.locator("td", has_text="not finite").count() > 0
    assert page.get_by_text("no engine", exact=True).count() == len(FILES) - 1
    assert not page.locator(".all, .viewer").count()
    page.close()
