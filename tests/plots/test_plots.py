"""Figures carry their words, differ in more than colour, and state their conditions."""

from __future__ import annotations

import base64
import dataclasses
import io
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mobilenet_lib import plots, statistics
from mobilenet_lib.plots import look
from mobilenet_lib.runs import Run

ALT = 'Two bars: "standard" is longer than separable & smaller than nothing.'


@pytest.fixture
def shown(monkeypatch):
    """Shows a figure and returns what a front end gets: the data of each kind, and the metadata."""
    outputs = []
    monkeypatch.setattr("IPython.display.publish_display_data", lambda data, metadata: outputs.append((data, metadata)))

    def show(fig, alt):
        plots.show(fig, alt)
        return outputs[-1]

    return show


def small_figure():
    fig, axes = plots.figure(width=3, height=2)
    plots.bars(axes, ["standard", "separable"], [1_228_800, 53_952], unit="MACs")
    return fig, axes


def test_alternative_text_is_on_the_page_in_the_metadata_and_in_the_plain_text(shown):
    page, metadata = shown(small_figure()[0], ALT)
    assert metadata["image/png"]["alt"] == ALT
    assert page["text/plain"] == ALT
    assert 'alt="Two bars: &quot;standard&quot; is longer' in page["text/html"]


def test_the_page_shows_the_image_itself(shown):
    page, _ = shown(small_figure()[0], ALT)
    image = base64.b64decode(page["image/png"])
    assert Image.open(io.BytesIO(image)).format == "PNG"
    assert page["image/png"] in page["text/html"]


def test_the_same_figure_gives_the_same_bytes(shown):
    first, second = (shown(small_figure()[0], ALT)[0]["image/png"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("alt", ["", "   ", "a plot", "x \n y"])
def test_a_figure_without_words_is_refused(alt):
    with pytest.raises(ValueError, match="too short: say what is plotted"):
        plots.show(small_figure()[0], alt)


def test_bars_say_their_numbers_and_unit():
    _, axes = small_figure()
    assert [text.get_text() for text in axes.texts] == ["1,228,800", "53,952"]
    assert axes.get_xlabel() == "MACs"
    hatches = [patch.get_hatch() for patch in axes.patches]
    assert len(set(hatches)) == len(hatches), "bars that differ in colour alone"


def test_lines_differ_in_colour_marker_and_dashes():
    _, axes = plots.figure()
    lines = [axes.plot([0, 1], [i, i])[0] for i in range(len(plots.PALETTE))]
    assert len({line.get_color() for line in lines}) == len(lines)
    assert len({line.get_marker() for line in lines}) == len(lines)
    assert len({line.get_linestyle() for line in lines}) == len(plots.LINE_STYLES)


def luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_the_first_colours_stand_out_from_white_paper():
    """Contrast of at least 3 to 1 for graphics (WCAG 2.1, 1.4.11) for the first three series."""
    for colour in plots.PALETTE[:3]:
        assert 1.05 / (luminance(colour) + 0.05) >= 3


def run(mode, seed=0):
    same = {"seconds": 1.0, "images_per_second": 100.0, "learning_rate": 0.1}
    epochs = [
        {"epoch": epoch, "train_loss": 2.0 / epoch, "train_accuracy": 0.2 * epoch}
        | {"validation_loss": 2.1 / epoch, "validation_accuracy": 0.25 * epoch, **same}
        for epoch in (1, 2, 3)
    ]
    source = {"name": "made_up", "source": "made-up images", "train_size": 9, "validation_size": 1}
    return Run("net", {}, source, seed, epochs, mode=mode)


def test_learning_curves_state_mode_data_and_seed():
    fig, alt = plots.learning_curves([run("quick"), run("quick", seed=3)])
    for text in (fig.get_suptitle(), alt):
        assert "mode: quick" in text
        assert "made-up images" in text
        assert "seed 0, 3" in text


def test_only_recorded_curves_quote_their_figures():
    """Those of a run that was just trained differ from machine to machine, and the text is compared."""
    assert "75.0 %" in plots.learning_curves([run("recorded")])[1]
    assert "75.0 %" not in plots.learning_curves([run("quick")])[1]


def test_learning_curves_need_an_epoch():
    with pytest.raises(ValueError, match="none of the runs has a finished epoch"):
        plots.learning_curves([dataclasses.replace(run("quick"), epochs=[])])


def test_losses_that_differ_by_powers_of_ten_get_a_logarithmic_axis():
    plain, wide = run("quick"), run("quick")
    wide.epochs[-1]["train_loss"] = 0.01
    assert plots.learning_curves([plain])[0].axes[0].get_yscale() == "linear"
    assert plots.learning_curves([plain, wide])[0].axes[0].get_yscale() == "log"


def test_growing_curves_are_redrawn_in_place_where_somebody_looks(monkeypatch):
    shown, updated = [], []
    handle = SimpleNamespace(update=lambda data, **_: updated.append(data["text/plain"]))
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data["text/plain"]) or handle)
    monkeypatch.setenv("MOBILENET_INTERACTIVE", "0")
    plots.growing_curves()(run("quick"))
    assert not shown
    monkeypatch.setenv("MOBILENET_INTERACTIVE", "1")
    draw = plots.growing_curves([dataclasses.replace(run("quick"), name="baseline")])
    for epochs in (1, 2, 3):
        draw(dataclasses.replace(run("quick"), epochs=run("quick").epochs[:epochs]))
    assert (len(shown), len(updated)) == (1, 2)
    assert all("baseline and net" in text for text in shown + updated)


def test_a_single_seed_has_a_hollow_point_and_no_interval():
    """An interval over images answers another question than one over seeds: they never share an axis."""
    fig, alt = plots.accuracies(statistics.summary([run("recorded")]), published={"net": 70.0, "other": 60.0})
    assert not fig.axes[0].containers
    hollow, cross, other = fig.axes[0].get_lines()
    assert (hollow.get_markerfacecolor(), hollow.get_xdata()) == ("white", [75.0])
    assert [line.get_xdata()[0] for line in (cross, other)] == [70, 60]
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["net", "other"]
    assert "net 75.0 % (one seed); published: net 70.0 %; published: other 60.0 %" in alt


def test_seeds_of_which_some_did_not_learn_have_a_point_each():
    stuck = run("recorded", seed=3)
    stuck.epochs[-1]["validation_accuracy"] = 0.1
    fig, alt = plots.accuracies(statistics.summary([run("recorded"), stuck]))
    (hollow,) = fig.axes[0].get_lines()
    assert hollow.get_xdata() == pytest.approx([75, 10])
    assert not fig.axes[0].containers
    assert "net 75.0, 10.0 % (2 seeds, no interval)" in alt


def test_accuracies_show_their_intervals_and_conditions():
    second = run("recorded", seed=3)
    second.epochs[-1]["validation_accuracy"] = 0.71
    frame = statistics.summary([run("recorded"), second])
    fig, alt = plots.accuracies(frame)
    (container,) = fig.axes[0].containers
    # Where the bar of the interval begins and ends.
    drawn = container.lines[2][0].get_segments()[0][:, 0]
    assert drawn == pytest.approx([100 * frame["low"][0], 100 * frame["high"][0]])
    for text in (fig.axes[0].get_title(), alt):
        assert "mode: recorded" in text
        assert "made" in text
    assert f"net 73.0 % ({100 * frame['low'][0]:.1f} to {100 * frame['high'][0]:.1f}, 2 seeds)" in alt
    assert "75.0 %" not in plots.accuracies(statistics.summary([run("quick")]))[1]


def test_seeds_of_one_network_share_a_colour_and_one_label():
    fig, alt = plots.learning_curves([run("recorded"), run("recorded", seed=3)])
    lines = fig.axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == 1
    assert [text.get_text() for text in fig.axes[0].get_legend().get_texts()] == ["net"]
    assert "net, seed 3, ends at" in alt


def test_train_and_test_draws_both_sides_of_each_run():
    fig, alt = plots.train_and_test([run("recorded"), run("recorded", seed=3)])
    for axes in fig.axes:
        train, test = (line.get_ydata() for line in axes.get_lines())
        assert train == pytest.approx([20, 40, 60])
        assert test == pytest.approx([25, 50, 75])
    assert "net, seed 3, ends at 60.0 % on training images and 75.0 % on others" in alt
    assert "seed 0, 3" in alt
    assert "60.0 %" not in plots.train_and_test([run("quick")])[1]


def test_trade_offs_have_a_panel_per_cost_and_every_interval():
    frame = statistics.summary([run("recorded")]).assign(macs=2000.0, seconds=3.0)
    fig, alt = plots.trade_offs(frame, {"macs": "MACs", "seconds": "s"}, "mode: recorded")
    assert [axes.get_xlabel() for axes in fig.axes] == ["MACs (log scale)", "s (log scale)"]
    for axes, cost in zip(fig.axes, (2000, 3), strict=True):
        (bar,) = axes.containers[0].lines[2]
        (start, end) = bar.get_segments()[0]
        assert (start[0], end[0]) == (cost, cost)
        assert (start[1], end[1]) == pytest.approx((100 * frame["low"][0], 100 * frame["high"][0]))
    assert "net 75.0 % at 2e+03 MACs, 3 s" in alt
    with pytest.raises(ValueError, match="no column 'params'"):
        plots.trade_offs(frame, {"params": "parameters"}, "")


def test_the_confusion_matrix_names_the_most_frequent_mistakes():
    fig, alt = plots.confusion([[8, 2, 0], [0, 5, 5], [0, 0, 0]], ["a", "b", "c"], "made up")
    written = [text.get_text() for text in fig.axes[0].texts]
    assert written == ["80", "20", "0", "0", "50", "50", "0", "0", "0"]
    assert "mistakes: b taken for c: 50 %; a taken for b: 20 %" in alt
    with pytest.raises(ValueError, match="for 2 classes"):
        plots.confusion([[1, 2, 3]], ["a", "b"], "made up")


# What people call their folders: a formula that is none, other scripts, emoji, a name of 200 letters, a lone surrogate.
ODD_NAMES = ["$5^{", "a$_$", "猫", "cat 🐈‍⬛", "x" * 200, "line\nbreak", "cafe\u0301", "\ud83d", "قط", r"100\%"]


def test_any_name_can_be_drawn_without_a_formula_and_without_boxes():
    names = [plots.readable(name) for name in ODD_NAMES]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing letter warns
        fig, axes = plots.figure()
        plots.bars(axes, ODD_NAMES, range(1, len(names) + 1), unit="images")
        axes.set_title(names[1])
        plots.as_data(fig, "Bars of odd names, each with its own length.")
        plots.as_data(*plots.confusion(np.eye(len(names)), ODD_NAMES, "folder $5^{ of 猫"))
    assert max(map(len, names)) <= 60
    assert names[0] == r"\$5^{"
    assert names[6] == "café"


def test_a_letter_that_no_font_has_is_written_as_its_number(monkeypatch):
    only = {"DejaVu Sans": look._fonts()["DejaVu Sans"]}
    monkeypatch.setattr(look, "_fonts", lambda: only)
    assert plots.readable("猫 cat") == "U+732B cat"


def test_a_scatter_tells_its_groups_front_and_level():
    groups = {"V1": np.array([[10, 60], [100, 70]]), "V2": np.array([[10, 62]])}
    fig, told = plots.scatter(groups, "M MACs", "accuracy (%)", front=groups["V2"], level=(65, "all"), ticks=(10, 100))
    assert "2 of V1, 60 to 70 over 10 to 100; 1 of V2, 62 to 62 over 10 to 10" in told
    assert "a dashed line at 65.0: all" in told
    assert "a front of 1, 62 to 62" in told
    (axes,) = fig.axes
    assert [line.get_label() for line in axes.lines] == ["V1", "V2", "front", "all"]
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "M MACs (log scale)")
    assert len({line.get_marker() for line in axes.lines[:2]}) == 2
