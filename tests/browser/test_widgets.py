"""The live explorers in a real browser: arithmetic, controls, and the way to Python and back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nbformat
import pytest
from explorers import made_up
from playwright.sync_api import Locator, Page, expect

from mobilenet_lib import cost, widgets
from mobilenet_lib.experiments.design import Budget, Design
from mobilenet_lib.widgets._explorer import Explorer
from mobilenet_lib.widgets._passes import KINDS, passes

# Each kind of explorer, also with its widest and its least usual contents.
VIEWS: dict[str, Callable[[], Explorer]] = {
    "stepper": widgets.convolution_stepper,
    "stepper, wide": partial(
        widgets.convolution_stepper, "spatially separable", 8, 4, 6, 5, padding=2, beside=KINDS[0]
    ),
    "stepper, padded": partial(widgets.convolution_stepper, "depthwise", padding=1, position=30),
    "costs": widgets.cost_explorer,
    "groups": widgets.groups_explorer,
    "V1": widgets.architecture_explorer,
    "V1, with a note": partial(widgets.architecture_explorer, resolution=32),
    "V2": partial(widgets.architecture_explorer, "v2", width_multiplier=1.4),
    "manifold": partial(widgets.manifold_explorer, channels=2, seed=16),
    "manifold, many channels": partial(widgets.manifold_explorer, channels=30),
    "design": partial(widgets.design_explorer, Design("v2", 0.25, expansion=3), Budget(params=150_000), made_up()),
}

one_channel = partial(widgets.convolution_stepper, input_size=4, in_channels=1, out_channels=1)

_IMPORT = """
async (code) => { window.module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" }))); }
"""
_RENDER = """
(settings) => {
  window.model = window.module.plainModel(settings);
  window.module.default.render({ model: window.model, el: document.getElementById("here") });
}
"""


@pytest.fixture
def mount(page: Page) -> Iterator[Callable[..., Locator]]:
    """Puts an explorer's live view on an empty page that has no Python behind it, and returns it.

    style: CSS of that page.
    """
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def mounted(explorer: Explorer, style: str = "") -> Locator:
        page.set_content(
            f'<!doctype html><style>body {{ margin: 0 }} {style} {explorer._css}</style><div id="here"></div>'
        )
        page.evaluate(_IMPORT, explorer._esm)
        page.evaluate(_RENDER, explorer.settings)
        return page.locator(".mnx")

    yield mounted
    assert not errors


# --- Arithmetic ---
def _random_layers(count: int) -> list[dict]:
    """Arguments of cost.conv2d, legal, from a fixed seed."""
    rng = random.Random(0)
    layers = []
    while len(layers) < count:
        groups = rng.choice((1, 1, 2, 3, 8, 32))
        layer = {
            "in_channels": groups * rng.randint(1, 32),
            "out_channels": groups * rng.randint(1, 32),
            "kernel_size": rng.choice((rng.randint(1, 11), (rng.randint(1, 7), rng.randint(1, 7)))),
            "input_size": rng.choice((rng.randint(1, 224), (rng.randint(1, 64), rng.randint(1, 64)))),
            "stride": rng.choice((1, 2, 3, (rng.randint(1, 4), rng.randint(1, 4)))),
            "padding": rng.choice(("same", "valid", rng.randint(0, 5), (rng.randint(0, 3), rng.randint(0, 3)))),
            "groups": groups,
            "bias": rng.random() < 0.5,
        }
        try:
            cost.conv2d(**layer)
        except ValueError:  # the kernel does not fit
            continue
        layers.append(layer)
    return layers


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _as_javascript(layer: cost.Cost | cost.SeparableCost) -> dict:
    """A cost as the JavaScript functions return it."""
    counts = {"macs": layer.macs, "flops": layer.flops, "params": layer.params, "activations": layer.activations}
    written = {**counts, "outputShape": list(layer.output_shape)}
    if isinstance(layer, cost.SeparableCost):
        written |= {part: _as_javascript(getattr(layer, part)) for part in ("depthwise", "pointwise")}
    return written


def test_javascript_counts_exactly_what_python_counts(mount, page):
    mount(widgets.cost_explorer())
    layers = _random_layers(200)
    arguments = [{_camel(name): value for name, value in layer.items()} for layer in layers]
    counted = page.evaluate("(all) => all.map((layer) => window.module.conv2dCost(layer))", arguments)
    assert counted == [_as_javascript(cost.conv2d(**layer)) for layer in layers]

    for layer, argument in zip(layers, arguments, strict=True):
        del layer["groups"], argument["groups"]
    counted = page.evaluate("(all) => all.map((layer) => window.module.separableCost(layer))", arguments)
    assert counted == [_as_javascript(cost.depthwise_separable(**layer)) for layer in layers]


def test_javascript_steps_through_the_same_numbers_as_python(mount, page):
    mount(widgets.convolution_stepper())
    rng = random.Random(1)
    cases = []
    while len(cases) < 60:
        sizes = {name: rng.randint(*ends) for name, ends in widgets.ConvolutionStepper.limits.items()}
        if sizes["kernel_size"] <= sizes["input_size"] + 2 * sizes["padding"]:
            cases.append((rng.choice(KINDS), widgets.convolution_stepper(**sizes).settings))
    planes = {"image": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "kernel": [[1, 0], [-1, 2]]}
    own = widgets.convolution_stepper(input_size=3, in_channels=1, out_channels=1, kernel_size=2, **planes)
    cases += [(kind, own.settings) for kind in KINDS]

    run = """(cases) => cases.map(([kind, settings]) => {
      const passes = window.module.plan(kind, settings);
      return { macs: passes.map((layer) => layer.cost.macs), planes: window.module.run(passes, settings) };
    })"""
    for (kind, settings), shown in zip(cases, page.evaluate(run, cases), strict=True):
        layers = passes(kind, settings)
        assert shown["macs"] == [layer.cost.macs for layer in layers], (kind, settings)
        planes = [layers[0].inputs, *(layer.outputs for layer in layers)]
        assert shown["planes"] == [plane.tolist() for plane in planes], (kind, settings)


def test_the_stepper_offers_what_python_allows(mount, page):
    mount(widgets.convolution_stepper())
    offered = page.evaluate("() => Object.entries(window.module.SIZES).map(([name, { choices }]) => [name, choices])")
    allowed = widgets.ConvolutionStepper.limits.items()
    assert {name: tuple(choices) for name, choices in offered} == {
        name: tuple(range(least, most + 1)) for name, (least, most) in allowed
    }
    assert tuple(page.evaluate("() => window.module.kinds")) == KINDS


# --- Controls ---
_NAMES = """
(all) => all.filter((one) => one.offsetParent && !one.disabled)
  .map((one) => one.getAttribute("aria-label") ?? one.textContent)
"""
_FOCUSED = "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"


@pytest.mark.parametrize("name", VIEWS)
def test_every_control_has_a_name_of_its_own_and_the_tab_key_reaches_it_in_order(name, mount, page):
    view = mount(VIEWS[name]())
    names = view.locator("button, select, input, summary").evaluate_all(_NAMES)
    assert all(name.strip() for name in names)
    assert len(set(names)) == len(names)
    reached = []
    for _ in range(len(names) + 5):  # boxes that scroll are reached too
        page.keyboard.press("Tab")
        reached.append(page.evaluate(_FOCUSED))
    assert [name for name in reached if name in names][: len(names)] == names


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [360, 700, 1200])
def test_nothing_makes_the_page_wider_than_the_window(name, width, mount, page):
    page.set_viewport_size({"width": width, "height": 800})
    view = mount(VIEWS[name]())
    assert page.evaluate("() => document.documentElement.scrollWidth") == width
    for folded in view.locator("summary").all():  # a table that scrolls in a box of its own
        folded.click()
    assert page.evaluate("() => document.documentElement.scrollWidth") == width


_CUT_OFF = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.ariaLabel)"


# What is left of a window of 1280 beside JupyterLab's side bar and prompts, and more.
@pytest.mark.parametrize("width", [870, 1280])
@pytest.mark.parametrize("beside", ["", *KINDS])
@pytest.mark.parametrize("sizes", [{"input_size": 4, "in_channels": 1, "out_channels": 1}, {"kind": "depthwise"}])
def test_the_lessons_steppers_show_whole_products(sizes, beside, width, mount, page):
    page.set_viewport_size({"width": width, "height": 800})
    view = mount(widgets.convolution_stepper(**sizes, beside=beside), "body { --jp-content-font-size1: 14px }")
    assert view.locator(".mnx-rows").evaluate_all(_CUT_OFF) == []


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("costs", ".mnx-verdict"),
        ("groups", ".mnx-sums"),
        ("stepper", ".mnx-result"),
        ("stepper, padded", ".mnx-result"),
    ],
)
def test_a_slider_and_its_result_are_on_one_phone_screen(name, result, mount, page):
    page.set_viewport_size({"width": 390, "height": 664})  # what a browser's own bars leave of a common telephone
    view = mount(VIEWS[name]())
    lowest = view.locator(result).first.evaluate("(one) => one.getBoundingClientRect().bottom")
    highest = min(
        view.locator("input[type=range]").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().top)")
    )
    assert lowest - highest < 664


# The text and page colours of JupyterLab's two themes.
_THEMES = {
    "light": ":root { --jp-content-font-color1: rgba(0, 0, 0, 0.87); --jp-layout-color0: white }",
    "dark": ":root { --jp-content-font-color1: rgba(255, 255, 255, 1); --jp-layout-color0: #111111 }",
}
# The lowest contrast (WCAG 2: 1 to 21) of a text with what lies behind it, and that text.
_LOWEST_CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (...colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = Array.from(canvas.getImageData(0, 0, 1, 1).data)
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => (
    element ? [...behind(element.parentElement), getComputedStyle(element).backgroundColor] : ["white"]);
  const texts = Array.from(document.querySelectorAll(".mnx *")).filter((element) => (
    Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.textContent.trim())));
  return texts.map((element) => {
    const style = getComputedStyle(element);
    const back = behind(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [low, high] = [luminance(...back), luminance(...back, ink)].sort((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), element.textContent];
  }).sort(([a], [b]) => a - b)[0];
}
"""


@pytest.mark.parametrize("theme", _THEMES)
@pytest.mark.parametrize("name", VIEWS)
def test_every_text_stands_out_from_what_lies_behind_it(name, theme, mount, page):
    mount(VIEWS[name](), _THEMES[theme])
    contrast, text = page.evaluate(_LOWEST_CONTRAST)
    assert contrast >= 4.5, text


def test_stepping_writes_the_products_and_counts_the_macs(mount, page):
    stepper = widgets.convolution_stepper(position=35)
    view = mount(stepper)
    (layer,) = stepper.passes
    products = view.locator(".mnx-products")
    written = [text.replace("−", "-") for text in products.all_inner_texts()]
    window = layer.inputs[:, 2:5, 1:4]
    for text, sum_of_channel in zip(written, (window * layer.weights[3]).sum(axis=(1, 2)), strict=True):
        assert text.count("·") == 9
        assert text.split("=")[1].strip() == str(sum_of_channel)
    assert view.locator(".mnx-counter").inner_text().startswith(f"{35 * 27} of 972 MACs")

    page.get_by_role("button", name="Step").focus()
    page.keyboard.press("Enter")
    expect(view.locator(".mnx-counter")).to_contain_text("972 of 972 MACs")
    value = layer.outputs[3, 2, 2]
    expect(view.locator("[aria-live]")).to_have_text(
        f"Step 36 of 36. standard: map 3, row 2, column 2 is {value}. 972 of 972 MACs."
    )
    page.keyboard.press("Enter")  # there is no step behind the last
    assert page.evaluate("() => window.model.get('position')") == 36
    page.get_by_label("Position").focus()
    page.keyboard.press("Home")
    expect(view.locator(".mnx-counter")).to_contain_text("27 of 972 MACs")


def test_play_fills_the_output_and_stops_at_the_end(mount, page):
    page.emulate_media(reduced_motion="reduce")
    view = mount(one_channel(beside="pointwise"))
    assert view.locator(".mnx-frame").first.evaluate("(frame) => getComputedStyle(frame).transitionDuration") == "0s"
    page.get_by_label("Numbers per second").select_option("30")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    counters = view.locator(".mnx-counter").all_inner_texts()
    assert [text.split(" MACs")[0] for text in counters] == ["36 of 36", "16 of 16"]


def test_a_kernel_that_no_longer_fits_is_made_smaller_and_that_is_said(mount, page):
    view = mount(widgets.convolution_stepper(kernel_size=5))
    page.get_by_label("Input size").select_option("3")
    expect(view.get_by_role("status")).to_contain_text("A kernel of 5 does not fit into 3 numbers")
    assert page.get_by_label("Kernel size").input_value() == "3"
    assert page.get_by_label("Kernel size").locator("option:not(:disabled)").all_inner_texts() == ["1", "2", "3"]


def test_a_slider_changes_the_costs_beside_the_law(mount, page):
    view = mount(widgets.cost_explorer())
    expect(view).to_contain_text("109,985,792 ÷ 924,844,032 = 0.1189")
    expect(view).to_contain_text("1/128 + 1/9 = 0.0078 + 0.1111 = 0.1189")
    page.get_by_label("Output channels N").focus()
    page.keyboard.press("Home")
    separable, standard = (cost.depthwise_separable(64, 1, 3, 112).macs, cost.conv2d(64, 1, 3, 112).macs)
    expect(view).to_contain_text(f"{separable:,} ÷ {standard:,} = {separable / standard:.4f}")
    expect(view).to_contain_text("saves nothing here: it needs 1.11 times the MACs")


def test_one_group_is_not_shown_beside_the_standard_layer_that_it_is(mount, page):
    view = mount(widgets.cost_explorer())
    rows = view.locator("tbody th")
    assert rows.all_inner_texts() == list(widgets.cost_explorer().frame().index)
    assert rows.filter(has_text="grouped").count() == 0
    page.get_by_label("Groups").focus()
    page.keyboard.press("ArrowRight")
    assert rows.all_inner_texts() == list(widgets.cost_explorer(groups=2).frame().index)


def test_the_stepper_says_why_two_passes_take_no_fewer_macs(mount, page):
    view = mount(one_channel())
    expect(view).to_contain_text("36 + 4 = 40, standard 36. A single output channel leaves nothing to share")
    page.get_by_label("Output channels").select_option("2")
    expect(view).not_to_contain_text("Depthwise separable takes")
    page.get_by_label("Kernel size").select_option("1")
    expect(view).to_contain_text("So small a kernel leaves nothing to save")


def test_groups_that_become_impossible_are_replaced_and_that_is_said(mount, page):
    view = mount(widgets.cost_explorer(in_channels=64, out_channels=128, groups=64))
    page.get_by_label("Input channels M").focus()
    page.keyboard.press("ArrowRight")  # 96
    expect(view.locator(".mnx-note")).to_have_text(
        "64 groups are impossible now (96 input channels ÷ 64 = 1 remainder 32), so groups is 32."
    )
    layer = cost.conv2d(96, 128, 3, 112, groups=32)
    expect(view.get_by_role("row", name="grouped, groups=32")).to_contain_text(f"{layer.macs:,}")


def test_an_impossible_number_of_groups_says_why(mount, page):
    view = mount(widgets.groups_explorer(4, 6))
    four = view.get_by_role("button", name="4")
    expect(four).to_have_attribute("aria-disabled", "true")
    four.focus()
    page.keyboard.press("Enter")
    expect(view.locator(".mnx-note")).to_contain_text("6 output channels ÷ 4 = 1 remainder 2")
    view.get_by_role("button", name="2").click()
    expect(view.locator(".mnx-note")).to_have_text("")
    expect(view.get_by_role("button", name="2")).to_be_focused()
    expect(view).to_contain_text("[6, 2, 3, 3]")
    ends = "(all) => all.map((line) => `${line.getAttribute('y1')} ${line.getAttribute('y2')}`)"
    assert len(set(view.locator(".mnx-drawing line").evaluate_all(ends))) == 2 * 2 * 3
    assert view.get_by_role("cell", name="3×3").count() == 12


# --- With Python ---
def _notebook(*cells: str) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    return notebook


def test_sliders_and_python_keep_the_same_settings(notebooks: Path, open_lesson, page):
    first = "from mobilenet_lib import widgets\nexplorer = widgets.cost_explorer()\nexplorer"
    made = _notebook(first, "stepper = widgets.convolution_stepper()\nstepper")
    nbformat.write(made, notebooks / "explorers.ipynb")
    foreign = []
    page.on("request", lambda request: foreign.append(request.url) if "//127.0.0.1" not in request.url else None)
    lesson = open_lesson("explorers")
    lesson.run_all()
    explorer, stepper = page.locator(".mnx").first, page.locator(".mnx").last
    # Arrows and Enter belong to the control, not to JupyterLab.
    kernel = explorer.get_by_label("Kernel size k")
    kernel.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(kernel).to_be_focused()
    expect(explorer).to_contain_text("1/128 + 1/49")
    stepper.get_by_role("button", name="Step").focus()
    page.keyboard.press("Enter")

    answer = "if (explorer.kernel_size, stepper.position) == (7, 2): explorer.out_channels = 256"
    _run_until(page, answer, explorer.get_by_label("Output channels N"), "256")
    layer = cost.conv2d(64, 256, 7, 112)
    expect(explorer.get_by_role("row", name="standard")).to_contain_text(f"{layer.macs:,}")
    assert not [address for address in foreign if not address.startswith(("blob:", "data:"))]


def _run_until(page: Page, code: str, slider: Locator, value: str) -> None:
    """Run Python in the open notebook's kernel until a slider shows the value that the code sets.

    More than once, because the messages of controls reach the kernel a moment later: the code waits for them with an
    `if`.
    """
    for _ in range(40):
        _run(page, code)
        page.wait_for_timeout(250)
        if slider.get_attribute("aria-valuetext") == value:
            break
    expect(slider).to_have_attribute("aria-valuetext", value)


def _run(page: Page, code: str) -> None:
    """Run Python in the open notebook's kernel, without a cell."""
    session = "window.jupyterapp.shell.currentWidget.context.sessionContext.session"
    page.evaluate(f"async (code) => {{ await {session}.kernel.requestExecute({{ code }}).done; }}", code)
