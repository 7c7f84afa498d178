"""The live architecture explorer in a real browser: whole networks against Python, its controls, and narrow pages."""

from __future__ import annotations

import random
from pathlib import Path

import nbformat
from playwright.sync_api import expect

# The page that holds an explorer without Python, and how to ask a kernel.
from browser.test_widgets import _notebook, _run_until, mount
from mobilenet_lib import architectures, widgets
from mobilenet_lib.widgets._architecture import paper_points

__all__ = ["mount"]

NETWORKS = 200

_PAIR_13 = "stride of pair 13: 1"


def _random_networks(count: int) -> list[widgets.ArchitectureExplorer]:
    """Explorers of both families with settings from a fixed seed, also far from any that makes sense."""
    rng = random.Random(0)
    made = []
    for _ in range(count):
        family = rng.choice(("v1", "v2"))
        stages = {"v1": 13, "v2": 7}[family]
        made.append(
            widgets.architecture_explorer(
                family,
                rng.choice((0.25, 0.35, 0.5, 0.75, 1.0, 1.4, round(rng.uniform(0.1, 4), 3))),
                rng.choice((224, rng.randint(1, 512))),
                rng.randint(1, 12),
                rng.choice((1, 2)),
                rng.choice(([], [rng.choice((1, 2)) for _ in range(stages)])),
                rng.choice((10, 1000, rng.randint(1, 10_000))),
            )
        )
    return made


def _as_javascript(table: architectures.Table) -> list[dict]:
    """The rows of a table as the JavaScript function returns them."""
    rows, first = [], {}
    for block in table.blocks:
        for row in block.rows:
            first.setdefault(block.name, len(rows))
            joins = block.shortcut == "identity" and (row is block.rows[-1] or row.name.endswith(".project"))
            shapes = {"inputShape": list(row.input_shape), "outputShape": list(row.output_shape)}
            costs = {"macs": row.macs, "params": row.params, "live": row.live_activations}
            form = {"name": row.name, "kind": row.kind, "stride": row.stride, "kernel": row.kernel_size}
            rows.append({**form, **shapes, **costs, "shortcut": first[block.name] if joins else None})
    for row, field in zip(rows, table.receptive_fields, strict=True):
        row["field"] = field
    return rows


def test_javascript_counts_whole_networks_exactly_as_python(mount, page):
    mount(widgets.architecture_explorer())
    networks = _random_networks(NETWORKS)
    settings = [one.settings for one in networks]
    counted = page.evaluate("(all) => all.map((settings) => window.module.layers(settings))", settings)
    for one, rows in zip(networks, counted, strict=True):
        assert rows == _as_javascript(one.table), one


def test_the_tables_and_the_papers_points_are_those_of_python(mount, page):
    mount(widgets.architecture_explorer())
    tables = page.evaluate("() => window.module.TABLES")
    assert tables == {
        "v1": [list(line) for line in architectures.V1_SEPARABLE],
        "v2": [list(line) for line in architectures.V2_BOTTLENECKS],
    }
    points = [{k: v for k, v in point.items() if k != "row"} for point in paper_points()]
    assert page.evaluate("() => window.module.POINTS") == points, "papers.toml changed: write these into POINTS"


def test_a_kind_of_layer_is_told_by_its_pattern_and_by_name(mount):
    view = mount(widgets.architecture_explorer())
    look = "(all) => all.map((bar) => getComputedStyle(bar).backgroundImage)"
    looks = view.locator(".mnx-legend .mnx-bar").evaluate_all(look)
    assert len(set(looks)) == len(looks) == 5
    expect(view.locator(".mnx-legend")).to_contain_text("depthwise")


def test_a_slider_gives_the_papers_point_and_the_tables_total(mount, page):
    view = mount(widgets.architecture_explorer())
    expect(view.locator(".mnx-verdict")).to_contain_text("568.7 M MACs, 4.21 M weights. Table 6 prints 569 M MACs")
    page.get_by_label("Width multiplier").focus()
    page.keyboard.press("ArrowLeft")  # 0.75
    total = architectures.mobilenet_v1(0.75).macs / 1e6
    expect(view.locator(".mnx-verdict")).to_contain_text(f"{total:.1f} M MACs")
    expect(view.locator(".mnx-verdict")).to_contain_text("prints 325 M MACs, 68.4 % accuracy")
    page.get_by_label("Image (pixels").focus()
    page.keyboard.press("ArrowLeft")  # 192
    expect(view.locator(".mnx-verdict")).to_contain_text("The paper prints no figures for this one.")


def test_the_misprinted_stride_can_be_set_and_taken_back(mount, page):
    view = mount(widgets.architecture_explorer())
    view.get_by_role("button", name=_PAIR_13).focus()
    page.keyboard.press("Enter")
    pressed = view.get_by_role("button", name="stride of pair 13: 2")
    expect(pressed).to_be_focused()
    expect(pressed).to_have_attribute("aria-pressed", "true")
    expect(view.locator(".mnx-verdict")).to_contain_text("533.8 M MACs")
    page.keyboard.press("Enter")
    assert page.evaluate("() => window.model.get('strides')") == []  # the paper's again
    view.get_by_role("button", name="stride of the stem: 2").click()
    macs = architectures.mobilenet_v1(stem_stride=1).macs
    expect(view.locator(".mnx-verdict")).to_contain_text(f"{macs / 1e6:,.1f} M MACs")
    view.get_by_role("button", name="Back to the paper's").click()
    expect(view.locator(".mnx-verdict")).to_contain_text("568.7 M MACs")


def test_another_family_takes_its_own_strides_and_shows_its_shortcuts(mount, page):
    view = mount(widgets.architecture_explorer(strides=[1] * 13))
    expect(view.get_by_label("Expansion t")).to_be_hidden()
    page.get_by_label("Network", exact=True).select_option("MobileNet V2")
    expect(view.get_by_label("Expansion t")).to_be_visible()
    expect(view.locator(".mnx-arcs > span")).to_have_count(10)
    expect(view.locator(".mnx-verdict")).to_contain_text("300.8 M MACs")
    page.get_by_label("Expansion t").focus()
    page.keyboard.press("ArrowLeft")
    total = widgets.architecture_explorer("v2", expansion=5).table.macs / 1e6
    expect(view.locator(".mnx-verdict")).to_contain_text(f"{total:.1f} M MACs")


def test_each_layer_can_be_looked_at_by_key_and_by_pointer(mount, page):
    view = mount(widgets.architecture_explorer())
    page.get_by_label("Look at a layer").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    about = view.locator(".mnx-about")
    expect(about).to_contain_text("Layer 3 of 29, separable1.pointwise: 1×1 convolution, stride 1")
    expect(about).to_contain_text("25,690,112 MACs (4.5 % of all), 2,048 weights")
    expect(about).to_contain_text("1,204,224 numbers of activation memory. One number of its output sees 7×7 pixels")
    box = view.locator(".mnx-net").bounding_box()
    view.locator("summary").click()
    expect(view.get_by_role("row")).to_have_count(1 + len(architectures.mobilenet_v1().rows))
    view.locator(".mnx-net").click(position={"x": box["width"] - 3, "y": 50})
    expect(about).to_contain_text("Layer 29 of 29, classifier")
    assert page.get_by_label("Look at a layer").get_attribute("aria-valuetext") == "classifier"


def test_where_the_memory_peaks_is_marked_and_said(mount):
    for family in ("v1", "v2"):
        explorer = widgets.architecture_explorer(family)
        view = mount(explorer)
        peak = max(explorer.table.rows, key=lambda row: row.live_activations)
        lane = view.get_by_role("img", name="Activation memory")
        assert f"{peak.live_activations / 1e6:.2f} M" in lane.get_attribute("aria-label")
        assert lane.get_attribute("aria-label").endswith(f"in {peak.name}")
        marked = lane.locator(".mnx-bar").evaluate_all("(all) => all.findIndex((bar) => bar.matches('.mnx-peak'))")
        assert marked >= 0
        assert explorer.table.rows[marked].name == peak.name


def test_a_map_of_one_pixel_is_pointed_out(mount):
    view = mount(widgets.architecture_explorer(resolution=32))
    expect(view.locator(".mnx-note")).to_contain_text("From separable13.depthwise on the feature map is 1×1")


def test_python_and_the_controls_keep_the_same_settings(notebooks: Path, open_lesson, page):
    source = "from mobilenet_lib import widgets\nexplorer = widgets.architecture_explorer()\nexplorer"
    nbformat.write(_notebook(source), notebooks / "architecture.ipynb")
    open_lesson("architecture").run_all()
    view = page.locator(".mnx")
    view.get_by_role("button", name=_PAIR_13).click()
    # And with it other strides.
    view.get_by_label("Network", exact=True).select_option("MobileNet V2")
    answer = "if explorer.family == 'v2' and explorer.strides == []: explorer.width_multiplier = 0.35"
    _run_until(page, answer, view.get_by_label("Width multiplier"), "0.35")
    expect(view.locator(".mnx-verdict")).to_contain_text(f"{architectures.mobilenet_v2(0.35).macs / 1e6:.1f} M MACs")
