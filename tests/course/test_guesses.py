"""A guess is read kindly, the truth stays away until it is in, and the first guess is the one that counts."""

from __future__ import annotations

import html
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilenet_lib import cost
from mobilenet_lib._support.messages import Code, Folded, Message
from mobilenet_lib.course import LESSONS, progress, records
from mobilenet_lib.course.guess_form import GuessForm
from mobilenet_lib.course.guesses import predict
from mobilenet_lib.course.questions import QUESTIONS, question
from mobilenet_lib.course.questions._question import Question, number_text, times_off
from mobilenet_lib.course.questions._reading import SeveralReadings, read_number


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    path = tmp_path / "progress.sqlite"
    monkeypatch.setenv("MOBILENET_PROGRESS", str(path))
    return path


def form(question_id: str) -> GuessForm:
    return GuessForm(question(question_id))


def send(made: GuessForm, **message) -> None:
    """What the form's page sends: guess="16", show=True, change=True or again=True."""
    made._handle_custom_msg(message, [])


def answer(made: GuessForm, guess: str) -> None:
    """Guess and see the truth."""
    send(made, guess=guess)
    send(made, show=True)


def on_page(made: GuessForm) -> str:
    """Everything that the page has been told, besides the program and the style of the form."""
    state = {name: value for name, value in made.get_state().items() if name not in {"_esm", "_css"}}
    return json.dumps(state, default=str, ensure_ascii=False)


# Questions
@pytest.mark.parametrize("asked", QUESTIONS.values(), ids=lambda asked: asked.id)
def test_question_is_complete(asked: Question):
    assert asked.accepts(asked.truth()), "the truth must be an answer itself"
    assert asked.accepts(asked.default)
    assert asked.lesson in {lesson.number for lesson in LESSONS}
    assert bool(asked.unit) != bool(asked.choices), "a number has a unit, a choice has none"
    assert asked.prompt.endswith((".", "?", ")"))
    assert asked.why.endswith(".")
    assert len(asked.why) < 250, "the reason is one sentence, or two short ones"


@pytest.mark.parametrize(
    ("question_id", "truth"),
    [
        ("01.macs_of_4x4", 36),
        ("01.article_standard", 1_228_800),
        ("01.stride_two", "a quarter"),
        ("01.double_channels", 4),
        ("01.weights_or_activations", 224 * 224 * 64 / (3 * 64 * 9)),
        ("01.flops_of_layer", 2 * 7 * 7 * 64 * 64),
        ("01.spatially_separable", 25 / 10),
        ("02.depthwise_only", 4_800),
        ("02.separable_total", 1 / (1 / 256 + 1 / 25)),
        ("02.article_layer_ratio", 109_985_792 / 924_844_032),
        ("02.never_cheaper", "3×3, from 256 to 1 channel"),
        ("02.grouped_shape", "[12, 2, 3, 3]"),
        ("02.where_the_macs_are", 100 * 512 / 521),
        ("02.rank_of_separable", "1"),
        ("05.untouched", 25),
        ("05.all_zero", 100 / 32),
        ("05.channels_needed", 11),
        ("05.raw_error", "a half"),
        ("05.twice_as_many", 50 - 50 * math.comb(48, 24) / 2**48),
        ("05.thin_ends", 1 + 2 + 3),
    ],
)
def test_truth_is_the_one_found_by_hand(question_id, truth):
    found = question(question_id).truth()
    assert found == (truth if isinstance(truth, str) else pytest.approx(truth))


COUNTED = [one.id for one in QUESTIONS.values() if one.lesson in ("00", "01", "02", "04", "06")]


@pytest.mark.parametrize("question_id", [one for one in COUNTED if one != "02.rank_of_separable"])
def test_truth_is_not_typed_in(question_id, monkeypatch):
    monkeypatch.setattr(cost, "conv2d", lambda *_, **__: pytest.fail("the cost table was asked"))
    with pytest.raises(pytest.fail.Exception, match="the cost table was asked"):
        question(question_id).truth()


def test_unknown_question_names_those_of_its_lesson():
    with pytest.raises(ValueError, match=r"01\.macs_of_5x5.*01\.macs_of_4x4") as problem:
        predict("01.macs_of_5x5")
    assert "02." not in str(problem.value)


def test_verdict_says_how_far_off_and_in_which_direction():
    for guess, verdict in {
        36: "exactly right",
        36.1: "right, to within 0.5 %",
        10: "3.6 times too low",
        72: "2 times too high",
        36_000_000_000: "over a million times too high",
    }.items():
        assert question("01.macs_of_4x4").verdict(guess) == verdict
    for guess, verdict in {"half": "not right", "a quarter": "exactly right"}.items():
        assert question("01.stride_two").verdict(guess) == verdict


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_times_off_says_the_direction(factor):
    assert times_off(factor).endswith("too high" if factor > 1 else "too low")


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_number_text_is_close_to_the_number(value):
    assert float(number_text(value).replace(",", "")) == pytest.approx(value, rel=6e-3)


def test_nothing_has_a_ratio_to_nothing():
    asked = question("05.thin_ends")
    assert asked.accepts(0)
    assert (asked.factor(0), asked.right(0), asked.verdict(0)) == (None, False, "too low")
    none = Question("05.none", "How many?", lambda: 0, default=1, why="None.", unit="blocks")
    assert (none.factor(2), none.verdict(2), none.verdict(0)) == (None, "too high", "exactly right")


# Reading what was typed
@pytest.mark.parametrize(
    ("typed", "number"),
    [
        *((typed, 36) for typed in ("36", " 36 ", "36 MACs", "36 macs", "36 MAC", "~36", "≈ 36", "about 36", "ca. 36")),
        *(
            (typed, 36)
            for typed in (
                "36?",
                "36.",
                "３６",
                "约36",
                "36左右",
                "x36",
                "36x",
                "36 times",
                "36个",
                "36 次",
                "4 * 9 = 36",
            )
        ),
        *(
            (typed, 1200)
            for typed in ("1,200", "1，200", "1 200", "1_200", "1’200", "1.2k", "1.2 thousand", "１．２千")
        ),
        *((typed, 1_228_800) for typed in ("1,228,800", "1 228 800", "1_228_800", "122.88万", "0.012288亿")),
        *(
            (typed, 1_200_000)
            for typed in ("1.2e6", "1.2M", "1.2 million MACs", "120万", "1.2百万", "1.2 MMACs", "1.2·10⁶")
        ),
        *((typed, 0.125) for typed in ("1/8", "1 / 8", "2^-3", "12.5%", "12.5 percent")),
        *((typed, 18) for typed in ("2*9", "2×9", "2 x 9", "2x9", "(2 + 4) · 3", "20 − 2", "+18")),
        *(("1.1M", 1_100_000), ("3G", 3_000_000_000), ("1,200.5", 1200.5), ("½", 0.5), ("1½", 1.5)),
        *((".5", 0.5), ("0.1189", 0.1189), ("2.5E-1", 0.25), ("1/128+1/9", 137 / 1152), ("1/2/3", 1 / 6)),
    ],
)
def test_number_is_read(typed, number):
    found = read_number(typed, "MACs")
    assert found == pytest.approx(number, rel=1e-12)
    assert isinstance(found, int) == float(number).is_integer()


@pytest.mark.parametrize(
    ("unit", "number", "ways"),
    [
        ("%", 98, ("98 %", "98", "98 per cent", "98 percent", "９８％", "98/100 * 100")),
        ("%", 0.25, ("0.25 %", "1/4 %")),
        ("percentage points", 0.85, ("0.85", "0.85 %", "0.85 points", "0.85 pp")),
        ("million MACs", 569, ("569", "569M", "569 million", "5.69e8", "569,000,000", "0.569 G", "569 million MACs")),
        ("million weights", 0.5, ("0.5", "0.5M", "500k", "0.5 million weights")),
        ("MB", 17, ("17", "17M", "17 MB", "17,000 kB", "17e6", "17 million bytes")),
        ("kB", 884, ("884", "884k", "884 kB", "0.884 MB", "884,000 bytes")),
        ("times fewer", 2.5, ("2.5", "2.5x", "2.5×", "2.5 ×", "2.5 times", "2.5 fold", "2.5-fold", "2.5 times less")),
        ("networks of six", 4, ("4", "4 of six", "4 networks", "4/6", "4 of 6", "4 out of six")),
        ("of the standard MACs", 0.125, ("1/8", "0.125", "12.5 %", "1 in 8", "1/8 of the standard MACs")),
        ("pixels", 7, ("7", "7×7", "7x7 px", "7 * 7 pixels", "7²", "7 pixels")),
        ("pixels", 70, ("7×10", "70")),
        ("million parameters", 4.2, ("4.2", "4.2M params", "4.2M parameters")),
    ],
)
def test_a_unit_may_be_written_or_left_out(unit, number, ways):
    assert {way: read_number(way, unit) for way in ways} == dict.fromkeys(ways, pytest.approx(number, rel=1e-12))


@pytest.mark.parametrize("typed", ["1/4", "0.25", ".25", "２５/100"])
def test_a_fraction_where_per_cent_is_the_unit_is_asked_back(typed):
    with pytest.raises(SeveralReadings) as asked:
        read_number(typed, "%")
    assert asked.value.readings == ("25 %", "0.25 %")
    assert [read_number(one, "%") for one in asked.value.readings] == [25, 0.25]


@pytest.mark.parametrize("typed", ["0", "0.0", "0 %", "０", "0/1"])
def test_zero_is_a_guess_where_there_may_be_none(typed):
    assert read_number(typed, "%", zero=True) == 0
    with pytest.raises(ValueError, match="above zero"):
        read_number(typed, "%")


def test_of_a_range_one_number_is_asked():
    for typed in ("30-40", "1,000 – 2,000"):
        with pytest.raises(ValueError, match=f"{typed}” is a range. Give one number"):
            read_number(typed, "MACs")
    with pytest.raises(ValueError, match="Of a range, give one number"):
        read_number("30 to 40", "MACs")
    assert read_number("40 - 30", "MACs") == 10


def test_zero_depends_on_the_unit_alone():
    units = {asked.unit: asked.zero for asked in QUESTIONS.values()}
    assert {asked.id for asked in QUESTIONS.values() if asked.zero} >= {"05.thin_ends", "10.broken_by_folding"}
    assert not units["MACs"]
    assert units["%"]


@pytest.mark.parametrize(
    "typed",
    [
        *("", "   ", "abc", "MACs", "²", "%", "x", "x" * 10_000, "36 bananas", "n0", "36 MACs 4"),  # no number
        *("12,34", "0,119", "1,2345", "1..2", "e5", "1e", "3 6", "/", "()", "1(2)", "(1", "7//2"),  # in no known way
        *("-5", "0", "0.0", "0/1", "nan", "inf", "1/0", "2 - 3"),  # cannot be the answer
        *("1e999", "1e-320", "1e-300/1e300", "9**9**9", "((((9**99)**99)**99)**99)"),  # too large or too small
    ],
)
def test_what_is_no_number_above_zero_is_refused_kindly(typed):
    with pytest.raises(ValueError, match=r"number|cannot be the answer") as problem:
        read_number(typed, "MACs")
    assert len(str(problem.value)) < 250


@given(st.text(max_size=30) | st.text("0123456789.,eE+-*/^()xkM% 万½²", max_size=30))
def test_any_text_is_a_positive_number_or_refused(typed):
    try:
        found = read_number(typed, "MACs")
    except ValueError:
        return
    assert question("01.macs_of_4x4").accepts(found)
    assert question("01.macs_of_4x4").verdict(found)


@given(st.integers(min_value=1, max_value=10**14))
def test_whole_numbers_come_back_from_both_ways_of_writing(number):
    assert read_number(str(number)) == read_number(f"{number:,}") == number


# Without a learner
@pytest.mark.parametrize("asked", QUESTIONS.values(), ids=lambda asked: asked.id)
def test_page_folds_the_truth_and_text_says_all(asked: Question, shown, progress_file):
    predict(asked.id)
    (message,) = shown
    data = message._repr_mimebundle_()
    page = data["text/html"]
    assert page.count("<details") == page.count("</details>") == 1
    folded = re.search(r"<details.*</details>", page, re.DOTALL).group(0)
    unfolded = page.replace(folded, "")
    assert "Truth:" in folded
    assert not [said for said in ("Truth:", "Why:", asked.verdict(asked.default)) if said in unfolded]
    for part in (asked.prompt, asked.written(asked.default), asked.written(asked.truth()), asked.why):
        assert part in data["text/plain"]
    assert not progress_file.exists(), "nobody guessed"


def test_outside_ipython_the_text_is_printed(capsys):
    predict("01.macs_of_4x4")
    assert "36 MACs" in capsys.readouterr().out


# The live form
@pytest.mark.parametrize("asked", QUESTIONS.values(), ids=lambda asked: asked.id)
def test_truth_is_nowhere_in_the_form_before_a_guess(asked: Question):
    made = form(asked.id)
    page = on_page(made)
    assert made.stage == "asking"
    assert html.escape(asked.prompt[:20]) in page
    assert not [said for said in ("Truth", asked.why) if said in page]
    if not asked.choices:
        assert asked.written(asked.truth()) not in page
    assert asked.id not in made._esm


def test_examples_of_numbers_are_no_answers():
    examples = re.search('placeholder: "([^"]*)"', form("01.macs_of_4x4")._esm).group(1)
    for typed in ("", "abc", "-1"):
        with pytest.raises(ValueError, match="number") as problem:
            read_number(typed)
        examples += str(problem.value)
    numbers = {read_number(number.rstrip(",.")) for number in re.findall(r"\d[\d,.e/Mk]*", examples)}
    assert {750, 1_500, 1_500_000} <= numbers
    for asked in QUESTIONS.values():
        assert asked.choices or not any(asked.right(number) for number in numbers)


def test_a_guess_brings_the_truth(progress_file):
    made = form("01.article_standard")
    answer(made, "361,412")
    for part in ("361,412 MACs", "1,228,800 MACs", "3.4 times too low", question("01.article_standard").why):
        assert part in made.said
    assert made.stage == "shown"
    assert progress_file.exists()
    assert records.guess("01.article_standard")["first"] == 361_412


def test_a_choice_brings_the_truth():
    made = form("01.stride_two")
    for nothing in ("", "a third"):
        send(made, guess=nothing)
        assert "Choose one" in made.said
        assert made.stage == "asking"
    answer(made, "a quarter")
    assert "exactly right" in made.said


def test_a_guess_can_be_taken_back_until_the_truth_is_shown(progress_file):
    made = form("00.macs_of_v1")
    send(made, show=True)
    assert made.stage == "asking", "there is no truth without a guess"
    send(made, guess="3,000k")
    assert "3 million MACs" in made.said
    assert made.stage == "guessed"
    assert "Truth" not in on_page(made)
    assert not progress_file.exists()
    send(made, change=True)
    assert (made.stage, made.said) == ("asking", "")
    send(made, show=True)
    assert made.stage == "asking", "it was taken back"
    answer(made, "3,000M")
    assert records.guess("00.macs_of_v1")["first"] == 3000


def test_what_can_be_read_in_two_ways_is_asked_back():
    made = form("05.untouched")
    send(made, guess="1/4")
    assert made.readings == ["25 %", "0.25 %"]
    assert made.stage == "asking"
    assert "Truth" not in on_page(made)
    answer(made, made.readings[0])
    assert made.readings == []
    assert "exactly right" in made.said


@pytest.mark.parametrize("name", ["05.thin_ends", "10.broken_by_folding"])
def test_zero_is_taken_and_counts_as_no_ratio(name):
    made = form(name)
    answer(made, "0")
    assert "too low" in made.said
    assert records.guess(name)["first"] == 0
    assert progress.calibration() is None


@pytest.mark.parametrize("typed", ["abc", "", "-3", "nan"])
def test_bad_input_is_explained_and_nothing_is_kept(typed, progress_file):
    made = form("01.macs_of_4x4")
    send(made, guess=typed)
    assert "No guess taken yet" in made.said
    assert "Truth" not in on_page(made)
    assert made.stage == "asking"
    assert made.answers == 1, "the page shows it"
    assert not progress_file.exists()


def test_markup_in_the_input_is_shown_as_text():
    made = form("01.macs_of_4x4")
    send(made, guess="<img src=x onerror=alert(1)>")
    assert "&lt;img" in made.said
    assert "<img" not in made.said


def test_guessing_again_keeps_the_first_guess():
    made = form("01.macs_of_4x4")
    answer(made, "16")
    send(made, again=True)
    assert made.stage == "asking"
    assert "Truth" not in on_page(made)
    answer(made, "36")
    assert "first guess, which counts: 16 MACs" in made.said
    assert "exactly right" in made.said
    kept = records.guess("01.macs_of_4x4")
    assert (kept["first"], kept["latest"], kept["guesses"]) == (16, 36, 2)


def test_an_answered_question_opens_with_guess_and_truth():
    records.record_guess("01.macs_of_4x4", 16)
    made = form("01.macs_of_4x4")
    assert "Your guess: 16 MACs" in made.said
    assert "Truth: 36 MACs" in made.said
    assert made.stage == "shown"


def test_a_kept_answer_of_another_kind_is_replaced():
    records.record_guess("01.macs_of_4x4", "a quarter")
    made = form("01.macs_of_4x4")
    assert made.stage == "asking"
    answer(made, "36")
    assert "exactly right" in made.said
    assert records.guess("01.macs_of_4x4")["first"] == 36


@pytest.mark.usefixtures("live")
def test_saved_notebook_holds_the_question_only(shown):
    predict("01.macs_of_4x4")
    (data,) = shown
    assert "application/vnd.jupyter.widget-view+json" in data
    assert question("01.macs_of_4x4").prompt in data["text/plain"]
    assert "Truth" not in data["text/plain"]


def test_a_progress_file_that_cannot_be_written_is_told_in_the_form_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOBILENET_PROGRESS", str(tmp_path / "file" / "progress.sqlite"))
    made = form("01.macs_of_4x4")
    answer(made, "16")
    assert "cannot be written" in made.said
    assert "Truth: 36 MACs" in made.said
    answer(made, "17")
    assert "cannot be written" not in made.said


# Messages
def test_message_says_the_same_as_text_and_as_page():
    message = Message("wrong", "A <b> title", ("Use `a < b`.", Code("x = 1\ny = 2"), Folded("More", ("inside",))))
    assert message.text.splitlines() == ["✗ A <b> title", "Use `a < b`.", "    x = 1", "    y = 2", "More:", "inside"]
    assert "A &lt;b&gt; title" in message.page
    assert "<code>a &lt; b</code>" in message.page
    assert "x = 1\ny = 2</pre>" in message.page
    assert re.search(r"<details.*<summary.*More</summary>.*inside.*</details>", message.page)
