"""Every published figure against our cost tables, and that the notes about misprints are still true."""

import pytest

from mobilenet_lib import papers

COMPUTED = [figure for figure in papers.figures() if figure.computed is not None]


def label(figure):
    return f"{figure.source} table {figure.table} {figure.row} {figure.unit}"


@pytest.mark.parametrize("figure", COMPUTED, ids=label)
def test_figure_agrees_with_the_cost_table_exactly_where_we_say_so(figure):
    assert figure.agrees is figure.reproduces, f"printed {figure.printed}, ours {figure.ours}, ± {figure.allowed}"


@pytest.mark.parametrize("figure", papers.figures(), ids=label)
def test_figure_is_complete(figure):
    assert figure.unit in papers.UNITS
    if ":" in figure.printed:
        assert figure.printed == "{}:{:02}".format(*map(int, figure.printed.split(":")))
    else:
        decimals = len(figure.printed.partition(".")[2])
        assert figure.printed == f"{float(figure.printed):.{decimals}f}"
    if not figure.reproduces:
        assert figure.note, "a figure that does not reproduce needs a note that says why"


def test_every_table_is_there():
    assert {figure.table for figure in papers.figures("v1")} == set("123456789")
    assert {figure.table for figure in papers.figures("v2")} == set("234")


def test_table_2_of_v1_does_not_add_up_as_printed():
    printed = sum(figure.value for figure in papers.figures("v1", 2) if figure.unit == "% of MACs")
    ours = sum(figure.ours for figure in papers.figures("v1", 2) if figure.unit == "% of MACs")
    assert round(printed, 2) == 99.29
    assert ours == pytest.approx(100)


def test_compare_says_agrees_differs_or_quoted():
    table = papers.compare("v1", 8).set_index(["row", "unit"])["verdict"]
    assert table["1.0 MobileNet-224", "M MACs"] == "agrees"
    assert table["VGG 16", "M MACs"] == "differs"
    assert table["GoogleNet", "M MACs"] == "quoted"


def test_the_default_tolerance_is_one_unit_of_the_last_digit():
    figure = papers.Figure("a source", "1", "a row", "M MACs", "52.3")
    assert figure.allowed == pytest.approx(0.1)
    assert papers.Figure("a source", "1", "a row", "M MACs", "569").allowed == 1
    assert papers.Figure("a source", "1", "a row", "M MACs", "569", tolerance=0).allowed == 0


def test_the_articles_table_is_whole():
    """Six networks, each with three figures; a time of 1:40 is 100 seconds."""
    networks = {"mobilenet_v1", "mobilenet_v2", "vgg16", "vgg19", "resnet50", "resnet152"}
    for table in ("accuracy", "training accuracy", "epoch time"):
        assert {figure.row for figure in papers.figures("article", table)} == networks
    times = {figure.row: figure.value for figure in papers.figures("article", "epoch time")}
    assert times["mobilenet_v1"] == pytest.approx(100 / 60)
    assert times["resnet50"] == 2.13


def test_unknown_papers_and_tables_are_refused():
    with pytest.raises(ValueError, match="paper must be one of v1, v2, article"):
        papers.figures("v3")
    with pytest.raises(ValueError, match="no figures of table 77"):
        papers.figures("v1", 77)


def test_a_stride_is_that_of_the_layer_named():
    names = {"stem": 2, "separable1.depthwise": 1, "separable2.depthwise": 2}
    found = {name: papers._compute("stride", network="mobilenet_v1", layer_name=name) for name in names}
    assert found == names
