"""The site: it builds without a network, its links lead somewhere, nothing on it comes from another host, and a real
browser shows it at the width of a phone and of a desk, with live explorers and no kernel.

One file, so that one process builds the site once. The tests that need no browser run without one.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from patience import patience
from playwright.sync_api import Browser, Page, Route, expect

from browser.test_widgets import _LOWEST_CONTRAST
from mobilenet_lib import course, widgets

ROOT = Path(__file__).resolve().parent.parent.parent

# What a browser fetches by itself: the attributes that name it, and of which tags. A link that a reader may click is
# no such.
_FETCHED = {"src": "script iframe audio embed img source video", "href": "link image use", "srcset": "img source"}
_FETCHED |= {"poster": "video", "data": "object"}
_ELSEWHERE = re.compile(r"^(https?:)?//")
_IN_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")
_IN_SCRIPTS = re.compile(r"""(?:\bimport\b|\bfrom\b|import\(|fetch\(|importScripts\()\s*["'`](?:https?:)?//""")


class Parsed:
    """What of a page the tests ask for."""

    def __init__(self, text: str) -> None:
        page = BeautifulSoup(text, "html.parser")
        self.ids = {tag["id"] for tag in page.select("[id]")}
        self.links = [tag["href"] for tag in page.select("a[href]")]
        found = [(tag, name) for name, tags in _FETCHED.items() for tag in page(tags.split())]
        self.fetched = [tag[name] for tag, name in found if tag.get(name)]
        self.images = [tag.attrs for tag in page("img")]
        self.folded = ["open" not in tag.attrs for tag in page("details")]  # is it closed at first?
        self.folded_code = len(page.select(".tag_hide-input details.above-input"))
        self.formulas = len(page("math"))
        self.explorers = [tag["data-explorer"] for tag in page.select("[data-explorer]")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by its command. A proxy that never answers stands for the network: a request is an error."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "COURSE_REPOSITORY": ""}
    folder = tmp_path_factory.mktemp("site") / "html"
    command = [sys.executable, str(ROOT / "docs" / "build.py"), str(folder)]
    # A machine that has other work to do takes longer. The limit is there for a build that hangs.
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=patience())
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Parsed]:
    """Every page of the site that a reader can meet, read."""
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return {path: Parsed(path.read_text(encoding="utf-8")) for path in paths}


def other_hosts(page: Parsed, text: str) -> list[str]:
    """What a page would fetch from another host."""
    return [address for address in page.fetched if _ELSEWHERE.match(address)] + _IN_STYLES.findall(text)


def broken_links(path: Path, pages: dict[Path, Parsed]) -> list[str]:
    """The links of a page, within the site, that lead nowhere."""
    broken = []
    for link in pages[path].links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        if not target.exists() or (anchor and target in pages and anchor not in pages[target].ids):
            broken.append(link)
    return broken


def test_every_lesson_is_a_page_with_its_figures_formulas_and_folded_answers(site, pages):
    formulas = 0
    for lesson in course.LESSONS:
        page = pages[site / "notebooks" / f"{lesson.stem}.html"]
        assert page.images, lesson.stem
        assert page.folded, lesson.stem
        assert all(page.folded), lesson.stem
        formulas += page.formulas
        cells = nbformat.read(ROOT / "notebooks" / lesson.file_name, as_version=4).cells
        collapsed = [cell for cell in cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
        assert page.folded_code == len(collapsed), lesson.stem
        text = (site / "notebooks" / f"{lesson.stem}.html").read_text(encoding="utf-8")
        assert lesson.title in text
        assert "$$" not in text, f"a formula of {lesson.stem} was not translated"
    assert formulas >= 10


def test_what_is_collapsed_in_jupyterlab_is_folded_on_the_page(site):
    """Code that is not the lesson's subject, such as that of a figure, whose image stays in sight."""
    lesson = course.lesson("05")
    cells = nbformat.read(ROOT / "notebooks" / lesson.file_name, as_version=4).cells
    hidden = [cell for cell in cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    page = BeautifulSoup((site / "notebooks" / lesson.file_name).with_suffix(".html").read_text("utf-8"), "html.parser")
    folded = [one for one in page.select("details.hide") if "plots.show" in one.get_text()]
    assert len(folded) == len(hidden) > 5
    assert not any(one.select("img") for one in folded), "the figure is folded with its code"


def test_every_image_has_words(pages):
    images = [(path.name, image) for path, page in pages.items() for image in page.images]
    assert not [(name, image.get("src", "")[:80]) for name, image in images if not image.get("alt", "").strip()]


def test_every_link_within_the_site_leads_somewhere(pages):
    assert len(pages) > len(course.LESSONS) + 3
    assert not {path.name: broken for path in pages if (broken := broken_links(path, pages))}


def test_nothing_comes_from_another_host(site, pages):
    for path, page in pages.items():
        assert not other_hosts(page, path.read_text(encoding="utf-8")), path.name
    for style in site.rglob("*.css"):
        assert not _IN_STYLES.search(style.read_text(encoding="utf-8")), style.name
    for script in site.rglob("*.js"):
        assert not _IN_SCRIPTS.search(script.read_text(encoding="utf-8")), script.name


def test_the_checks_see_what_they_look_for(tmp_path):
    text = (
        '<img src="//host/a.png"><script src="https://host/a.js"></script>'
        "<style>a { background: url(https://host/b) }</style>"
        '<a href="none.html"></a><a href="#none"></a><a href="https://host/">may be clicked</a>'
    )
    page = Parsed(text)
    assert len(other_hosts(page, text)) == 3
    assert broken_links(tmp_path / "a.html", {tmp_path / "a.html": page}) == ["none.html", "#none"]
    assert _IN_SCRIPTS.search('import a from "https://host/a.js"')


def test_explorers_stand_in_their_lessons_and_on_one_page(site, pages):
    first, second = (pages[site / f"{_lesson(number)}.html"].explorers for number in ("01", "02"))
    assert first == ["convolution_stepper", "cost_explorer"]
    assert {"convolution_stepper", "cost_explorer", "groups_explorer"} == set(second)
    in_lessons = {name for path, page in pages.items() if path.parent.name == "notebooks" for name in page.explorers}
    assert sorted(pages[site / "explorers.html"].explorers) == sorted(in_lessons)


def test_the_library_page_has_docstrings_of_modules_with_and_without_paddle(site, pages):
    ids = pages[site / "library.html"].ids
    names = ("cost.conv2d", "architectures.mobilenet_v2", "layers.ConvBNReLU", "training.fit", "widgets.cost_explorer")
    assert {f"mobilenet_lib.{name}" for name in names} <= ids
    text = (site / "library.html").read_text(encoding="utf-8")
    assert "Convolution → batch norm → activation" in text


@pytest.mark.parametrize("repository", ["", "https://github.com/somebody/mobilenet-course"])
def test_launch_buttons_need_the_address_of_the_repository(repository, monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", repository)
    spec = importlib.util.spec_from_file_location("site_conf", ROOT / "docs" / "conf.py")
    settings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(settings)
    options = settings.html_theme_options
    assert ("launch_buttons" in options) is bool(repository)
    assert options.get("repository_url", "") == repository


# --- In a real browser ---
_WIDTHS = {"phone": 390, "desk": 1280}
_OUTLINE = """
() => Array.from(document.querySelectorAll("h1, h2, h3, h4, h5, h6")).filter((one) => one.checkVisibility())
  .map((one) => Number(one.tagName[1]))
"""
_LOWEST = _LOWEST_CONTRAST.replace('".mnx *"', '".bd-article *, .bd-sidebar-primary *"')


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """A static host that writes no log."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site on a static host of this machine."""
    handler = functools.partial(_Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def visit(address: str, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page of the site; a request to any other host, which is out of reach, or an error fails the test."""
    trouble: list[str] = []
    contexts = []

    def only_here(route: Route) -> None:
        if route.request.url.startswith((f"{address}/", "data:", "file:")):
            route.continue_()
        else:
            trouble.append(f"asked for {route.request.url}")
            route.abort()

    def visited(name: str, width: int = 1280, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        context.route("**/*", only_here)
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(name if name.startswith("file:") else f"{address}/{name}.html")
        return page

    yield visited
    for context in contexts:
        context.close()
    assert not trouble


def _lesson(number: str) -> str:
    return f"notebooks/{course.lesson(number).stem}"


@pytest.mark.parametrize("name", [_lesson("01"), "explorers", "index", "library", "CONTRIBUTING"])
def test_a_page_fits_the_window_and_its_headings_are_in_order(name, visit):
    page = visit(name)
    for width in _WIDTHS.values():
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
    levels = page.evaluate(_OUTLINE)
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_a_lesson_stands_out_from_what_lies_behind_it(scheme, visit):
    page = visit(_lesson("01"), color_scheme=scheme)
    # No colour on its way to another.
    page.add_style_tag(content="* { transition: none !important }")
    contrast, text = page.evaluate(_LOWEST)
    assert contrast >= 4.5, text


def test_formulas_are_drawn_and_answers_are_folded(visit):
    page = visit(_lesson("01"), _WIDTHS["phone"])
    formula = page.locator("math", has_text="output channels").first
    assert formula.evaluate("(one) => one.getBoundingClientRect().height") > 30
    brace, words = (formula.locator(f"xpath=.//*[contains(text(), '{text}')]").first for text in ("⏟", "spatial"))
    assert words.bounding_box()["y"] > brace.bounding_box()["y"]
    answer = page.locator("details", has_text="The answer").first
    truth = answer.get_by_text("Truth: 36 MACs")
    expect(truth).to_be_hidden()
    answer.locator("summary").click()
    expect(truth).to_be_visible()


def test_what_reveals_a_truth_is_folded_on_the_screen_and_printed(visit):
    page = visit(_lesson("02"))
    fold = page.locator("details.hide", has_text="1/128 + 1/9 = 0.1189").first
    shown = fold.get_by_text("1/128 + 1/9 = 0.1189")
    expect(shown).to_be_hidden()
    fold.locator("summary").click()
    expect(shown).to_be_visible()
    fold.locator("summary").click()
    page.emulate_media(media="print")
    expect(shown).to_be_visible()


def _unfold(page: Page) -> None:
    page.evaluate("() => document.querySelectorAll('details.hide').forEach((one) => (one.open = true))")


@pytest.mark.parametrize("width", _WIDTHS.values(), ids=_WIDTHS)
def test_the_stepper_and_the_cost_explorer_answer_without_a_kernel(width, visit):
    page = visit(_lesson("01"), width)
    _unfold(page)
    stepper = page.get_by_role("group", name="Convolution stepper")
    stepper.get_by_label("Position").focus()
    page.keyboard.press("ArrowRight")
    expect(stepper.locator(".mnx-counter")).to_contain_text("18 of 36 MACs")
    explorer = page.get_by_role("group", name="Cost explorer")
    explorer.get_by_label("Output channels N").focus()
    page.keyboard.press("ArrowRight")
    macs = widgets.cost_explorer(32, 384, 56, 3).cost.macs
    expect(explorer.get_by_text(f"{macs:,}").first).to_be_visible()
    # The static forms are there for paper only.
    image = page.locator(".explorer-static img").first
    expect(image).to_be_hidden()
    page.emulate_media(media="print")
    expect(image).to_be_visible()
    expect(stepper).to_be_hidden()


def test_every_explorer_lives_on_the_page_of_explorers(visit, pages, site):
    page = visit("explorers")
    expect(page.locator(".explorer-live > .mnx")).to_have_count(len(pages[site / "explorers.html"].explorers))


def test_without_javascript_figures_and_tables_stand_there(visit):
    page = visit(_lesson("01"), java_script_enabled=False)
    table = page.locator("[data-explorer=cost_explorer]")
    expect(table).to_be_visible()
    expect(table).to_contain_text(f"{widgets.cost_explorer(32, 256, 56, 3).cost.macs:,}")


def test_a_lesson_opened_as_a_file_is_as_good(visit, site):
    page = visit((site / f"{_lesson('01')}.html").as_uri())
    _unfold(page)
    expect(page.get_by_role("group", name="Convolution stepper")).to_be_visible()
