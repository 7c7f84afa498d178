"""The site: it builds without a network, its links lead somewhere, nothing on it comes from another host, and a real
browser shows it at the width of a phone and of a desk, with live explorers and no kernel.

One file, so that one process builds the site once. The tests that need no browser run without one.
"""

from __future__ import annotations

import base64
import functools
import http.server
import importlib.util
import itertools
import json
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
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from patience import patience
from playwright.sync_api import Browser, Locator, Page, Response, Route, expect

from browser.test_widgets import _LOWEST_CONTRAST
from mobilenet_lib import course, widgets
from mobilenet_lib.course.questions import QUESTIONS, question
from mobilenet_lib.course.questions._reading import read_number

ROOT = Path(__file__).resolve().parent.parent.parent
ADDRESS = "https://example.org/course"  # where the site is said to be

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
        self.fetched = [tag[name] for tag, name in found if tag.get(name) and tag.get("rel") != ["canonical"]]
        self.told = {tag.get("property") or tag.get("name"): tag.get("content") for tag in page("meta")}
        self.named = {" ".join(tag["rel"]): tag["href"] for tag in page("link", rel=True)}
        self.guesses = [json.loads(base64.b64decode(tag["data-guess"])) for tag in page.select("[data-guess]")]
        for one in page("style") + page("script"):
            one.extract()
        self.text = page.get_text(" ")
        self.images = [tag.attrs for tag in page("img")]
        self.folded = ["open" not in tag.attrs for tag in page("details")]  # is it closed at first?
        folded = page.select(".tag_hide-input details.above-input")
        self.folded_code = [one.get_text() for one in folded]
        self.open_code = [one.get_text() for one in page.select(".cell_input") if not one.find_parent("details")]
        self.formulas = len(page("math"))
        self.explorers = [tag["data-explorer"] for tag in page.select("[data-explorer]")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by its command. A proxy that never answers stands for the network: a request is an error."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "COURSE_REPOSITORY": "", "COURSE_SITE": ADDRESS}
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
        text = (site / "notebooks" / f"{lesson.stem}.html").read_text(encoding="utf-8")
        assert lesson.title in text
        assert "$$" not in text, f"a formula of {lesson.stem} was not translated"
    assert formulas >= 10


def test_what_is_collapsed_in_jupyterlab_is_folded_on_the_page_and_so_is_code_that_only_draws(site, pages):
    """The image stays in sight."""
    for lesson in course.LESSONS:
        cells = nbformat.read(ROOT / "notebooks" / lesson.file_name, as_version=4).cells
        hidden = [cell for cell in cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
        page = pages[site / "notebooks" / f"{lesson.stem}.html"]
        drawing = [code for code in page.open_code if re.search(r"^\s*plots\.show\(|plots\.figure\(", code)]
        assert (len(page.folded_code) >= len(hidden), drawing) == (True, []), lesson.stem
    text = (site / "notebooks" / f"{course.lesson('05').stem}.html").read_text("utf-8")
    folded = [
        one for one in BeautifulSoup(text, "html.parser").select("details.hide") if "plots.show" in one.get_text()
    ]
    assert len(folded) > 5
    assert not any(one.select("img") for one in folded), "the figure is folded with its code"


def test_every_page_says_what_it_is_and_where(site, pages):
    for path, page in pages.items():
        name, searches = path.relative_to(site).as_posix(), path.name == "search.html"
        assert page.named["canonical"] == page.told["og:url"] == f"{ADDRESS}/{name}"
        assert (path.parent / page.named["icon"]).is_file()
        assert page.told["og:title"]
        assert searches or 40 < len(page.told["description"]) <= 250, name
        assert page.told["og:image"].startswith(f"{ADDRESS}/")
        assert (site / page.told["og:image"].removeprefix(f"{ADDRESS}/")).is_file()
    listed = re.findall("<loc>(.*?)</loc>", (site / "sitemap.xml").read_text(encoding="utf-8"))
    assert set(listed) == {page.named["canonical"] for path, page in pages.items() if path.name != "search.html"}


def test_the_front_page_shows_every_lesson_and_pages_of_the_workshop_stand_under_for_developers(site):
    page = BeautifulSoup((site / "index.html").read_text(encoding="utf-8"), "html.parser")
    cards = {one.a["href"]: one for one in page.select(".lessons > li")}
    assert list(cards) == [f"notebooks/{lesson.stem}.html" for lesson in course.LESSONS]
    assert all((site / card.img["src"]).stat().st_size < 30_000 for card in cards.values())
    groups = {one.get_text(): one.find_next("ul").get_text() for one in page.select("nav .caption-text")}
    assert list(groups) == ["Lessons", "Beside the lessons", "For developers"]
    assert "What was tried" in groups["For developers"]
    assert "What was tried" not in groups["Beside the lessons"]


def test_speaker_notes_are_neither_shown_to_a_reader_nor_found(site, pages):
    """Lesson 00 alone speaks of them."""
    assert not [path.name for path, page in pages.items() if re.search(r"Speaker notes(?! are folded)", page.text)]
    index = json.loads(re.search(r"\((.*)\)", (site / "searchindex.js").read_text(encoding="utf-8"), re.DOTALL)[1])
    found = {index["docnames"][one] for one in index["terms"]["speaker"]}
    assert {name for name in found if name.startswith("notebooks/")} == {"notebooks/00_start_here"}


def test_every_question_is_a_form_that_knows_the_truth_and_does_not_show_it(site, pages):
    asked = {}
    for lesson in course.LESSONS:
        page = pages[site / "notebooks" / f"{lesson.stem}.html"]
        asked |= {one["why"]: one["truth"] for one in page.guesses}
        assert not [one["why"] for one in page.guesses if one["why"] in page.text]
        assert "Truth:" not in page.text
    assert asked == {one.why: one.truth() for one in QUESTIONS.values()}


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
        context = browser.new_context(viewport={"width": width, "height": 900}, base_url=address, **options)
        contexts.append(context)
        context.route("**/*", only_here)
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on(
            "console",
            lambda said: trouble.append(f"{said.text} {said.location['url']}") if said.type == "error" else None,
        )
        page.goto(name if re.search(r"[:.]", name) else f"{name}.html")
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
def test_every_text_of_a_page_stands_out_from_what_lies_behind_it(scheme, visit):
    page = visit("about:blank", color_scheme=scheme)
    for name in ("index", _lesson("01")):
        page.goto(f"{name}.html")
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


def _guess(page: Page, question_id: str) -> Locator:
    """The form of a question."""
    return page.locator("[data-guess]", has_text=question(question_id).prompt)


def test_a_reader_guesses_without_a_kernel_and_then_sees_the_truth(visit):
    page = visit(_lesson("01"))
    form = _guess(page, "01.macs_of_4x4")
    expect(form).not_to_contain_text("36")
    form.get_by_label("Your guess").fill("about 2×9")
    page.keyboard.press("Enter")
    expect(form).to_contain_text("18 MACs.")
    expect(form).not_to_contain_text("36")
    form.get_by_role("button", name="See the truth").click()
    expect(form).to_contain_text("Truth: 36 MACs. Your guess is 2 times too low.")
    expect(form).to_contain_text(question("01.macs_of_4x4").why)
    form.get_by_role("button", name="Guess again").click()
    expect(form).not_to_contain_text("Truth")
    form.get_by_label("Your guess").fill("a lot")
    form.get_by_role("button", name="Submit guess").click()
    expect(form).to_contain_text("No guess taken yet")
    choice = _guess(page, "01.stride_two")
    choice.get_by_label("a quarter").check()
    choice.get_by_role("button", name="Submit guess").click()
    choice.get_by_role("button", name="See the truth").click()
    expect(choice).to_contain_text("Your guess is exactly right.")
    other = _guess(page, "01.double_channels")
    page.emulate_media(media="print")
    expect(other).to_contain_text("Truth: 4 times.")


_TYPED = (
    "36|1,200|1’200|1.2k|1.2e6|1.2 million|120万|３６|~36 MACs|12.5 %|1/8|½|2^-3|2.5x|569M|17,000 kB|(2+4)·3|5 = 2+3"
)
_TYPED += "|22.8×|4-fold|1 in 32|36 次|4.2M params|7×7|3/6|30-40|40-30|2.5 times less"
_UNITS = ("MACs", "%", "million MACs", "kB", "times fewer", "pixels", "networks of six", "million parameters")
_TYPED += "||abc|12,34|1..2|-5|0|1/0|36 bananas|9**9**9|0.25|7//2"


def test_a_guess_is_read_and_judged_as_in_the_lesson(visit):
    page = visit(_lesson("01"))
    cases = [(typed, unit) for typed in _TYPED.split("|") for unit in _UNITS]
    script = """(cases) => cases.map(([typed, unit]) => {
      try { return readNumber(typed, unit, unit === "%"); } catch (problem) { return problem.message; } })"""
    for (typed, unit), found in zip(cases, page.evaluate(script, cases), strict=True):
        try:
            expected = pytest.approx(read_number(typed, unit, zero=unit == "%"))
        except ValueError as problem:
            expected = str(problem)
        assert found == expected, (typed, unit)
    asked = question("01.weights_or_activations")
    guesses = [asked.truth() * factor for factor in (1, 1.0049, 1.0051, 0.9949, 0.25, 12.34, 3e6)]
    script = "([guesses, truth]) => guesses.map((one) => Object.values(judged(one, { truth, choices: [] })))"
    found = page.evaluate(script, [guesses, asked.truth()])
    assert found == [[asked.right(one), asked.verdict(one)] for one in guesses]


def test_program_text_is_copied_with_a_click(visit):
    page = visit("index", permissions=["clipboard-read", "clipboard-write"])
    page.locator(".highlight", has_text="pip install uv").hover()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = "pip install uv && uv run --no-dev mobilenet-course\n"
    assert page.evaluate("() => navigator.clipboard.readText()") == command


def test_search_shows_text_around_what_it_found(visit):
    page = visit("search.html?q=depthwise")
    found = page.locator("#search-results .context")
    expect(found.nth(5)).to_be_visible()
    expect(page.locator("#search-results li").first).to_be_visible()
    for text in found.all_text_contents():
        assert not re.search("Print to PDF|System Settings|Show the (output|source)|Truth:", text), text


def test_the_front_page_is_light_and_its_stepper_lives(visit):
    page = visit("about:blank")
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("index.html")
    stepper = page.get_by_role("group", name="Convolution stepper")
    expect(stepper.locator(".mnx-counter")).to_contain_text("9 of 243 MACs")
    page.wait_for_load_state("networkidle")
    assert sum(len(answer.body()) for answer in answers) < 600_000
    assert all(answer.ok for answer in answers)
    stepper.get_by_role("button", name="Step").click()
    expect(stepper.locator(".mnx-counter")).to_contain_text("18 of 243 MACs")
    icon = page.locator(".primary-toggle:visible > .fa-solid")
    assert icon.evaluate("(one) => getComputedStyle(one).maskImage").startswith("url")


def test_nothing_keeps_anybody_from_reading_a_page(visit, pages, site):
    """axe-core finds nothing, of any level, on any page. For contrast it takes minutes; another test measures that."""
    page, found = visit("about:blank"), {}
    # Without preloading: axe asks for imported styles at a wrong address.
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}, "preload": False}
    for path in pages:
        page.goto(path.relative_to(site).as_posix())
        violations = Axe().run(page, options=options).response["violations"]
        found |= {(path.name, one["id"]): one["nodes"][0]["html"] for one in violations}
    assert not found


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
