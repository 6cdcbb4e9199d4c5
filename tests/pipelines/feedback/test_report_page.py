from __future__ import annotations

from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.words import RejectReason, SkipReason, UnscoredReason
from pipelines.feedback.report import charts, words
from pipelines.feedback.report.facts import (
    Batch,
    DayFacts,
    Delivery,
    FieldCost,
    Intake,
    Lead,
    Message,
    Plan,
    Population,
    Problem,
    Reason,
    Results,
    Scores,
)
from pipelines.feedback.report.model_view import model_view
from pipelines.feedback.report.page import render_page
from pipelines.feedback.report.results_view import results_view
from pipelines.feedback.report.sentences import silent_words
from pipelines.feedback.report.waterfall import bars, read_blocks
from pipelines.feedback.report_assets import outside_references

AS_OF = date(2026, 6, 1)
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}{% raw %}'


def lead(text: str = "Ada Example") -> Lead:
    return Lead(
        person_id="p1",
        name=text,
        title=text,
        company=text,
        place=text,
        crm="hubspot",
        record_id=text,
        owner=text,
        p=0.072,
        anchor=0.0514,
        points=55,
        percentile=100.0,
        tier="medium",
        dormant_days=41,
        next_step=text,
        reasons=(Reason(text, 4.04), Reason(text, -0.01)),
    )


def full_day(text: str = "Ada Example") -> DayFacts:
    skipped = {"country_unknown": 2140, "opted_out": 300, "capacity": 500}
    return DayFacts(
        as_of=AS_OF,
        population=Population(4000, 3060, {"lead": 4000}, {"open_deal": 940}),
        intake=Intake(
            rows_in=100,
            rows_loaded=99,
            rows_rejected=1,
            files=1,
            deliveries=(Delivery(text, text, 1, 100, 1, "2026-05-31 23:00", 4),),
            rejects=(Problem(text, text, text, text, "bad_timestamp", 9, (3, 1_204)),),
            fields=(FieldCost("country", 2140, 3060, 2140, 0.05, 0.03),),
        ),
        model={"name": text, "score_kind": "model", "paragraph": text, "decision": text, "decision_reason": text},
        drift={"share_drifted": 0.2, "drifted": [text], "out_of_range_rows": 3, "severe": True},
        scores=Scores(3058, {"objected": 2}, {"medium": 3058}, {50: 3058}, (lead(text),)),
        plan=Plan(
            is_published=True,
            contactable=620,
            planned=108,
            held_out=12,
            skipped=skipped,
            by_channel={"email": 100, "call": 8},
            blocks=read_blocks(skipped, [{"reason": "opted_out", "words": text, "unlock": text}]),
            controls=40,
            smallest_visible_effect=0.043,
        ),
        batch=Batch("b1", "ab", None, (Message("email", text, text, text, text, True),)),
        results=Results(True, {"verdict": text}, ({"arm": text, "playbook": text, "people": 9, "reactivated": 1},)),
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(html)
    return parser.found


def test_page_says_what_the_day_holds() -> None:
    html = render_page(full_day()).replace("\u00a0", " ")
    for text in (
        "108 messages are ready for dormant leads",
        "100 go by e-mail and 8 by call task.",
        "7.2 %, 1.4 x average",
        "ahead of 99.9 % of today's leads".replace("'", "&#39;"),
        "2,140",
        "Country missing",
        "Declare it per source",
        "a difference of 4.3 percentage points",
        "3, 1,204",
        "date cannot be read",
        "blocks 2,140 people",
        "scored lower: 3.0 % without, 5.0 % with",
        "today&#39;s batch is held until somebody has looked",
        "silent for 4 days",
        "2 people carry none: objected to marketing",
    ):
        assert text in html or text.replace("&#39;", "'") in html, text


def test_same_facts_give_the_same_bytes() -> None:
    assert render_page(full_day()) == render_page(full_day())


def test_fields_of_leads_never_become_markup() -> None:
    clean, hostile = tags(render_page(full_day())), tags(render_page(full_day(HOSTILE)))
    assert [tag for tag, _ in hostile] == [tag for tag, _ in clean]
    assert not {"script", "img", "iframe", "link", "object"} & {tag for tag, _ in hostile}
    assert not [name for _, attributes in hostile for name in attributes if name.startswith("on")]
    assert "{{ 7*7 }}{% raw %}" in render_page(full_day(HOSTILE))


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_no_text_changes_the_shape_of_the_page(text: str) -> None:
    probe = full_day()
    expected = [tag for tag, _ in tags(render_page(replace(probe, scores=replace(probe.scores, leads=(lead("x"),)))))]
    changed = replace(probe, scores=replace(probe.scores, leads=(lead(f"x{words.clean(text)}"),)))
    assert [tag for tag, _ in tags(render_page(changed))] == expected


def test_page_loads_nothing_from_elsewhere() -> None:
    html = render_page(full_day('url(http://x) src="http://x" <link href=//x>'))
    assert outside_references(html) == []
    assert "default-src 'none'" in html
    assert outside_references('<img src="http://x"><style>@import "x"</style><a href="http://x">') != []


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (DayFacts(AS_OF), "No people yet"),
        (DayFacts(AS_OF), "No model has been trained or refused"),
        (DayFacts(AS_OF), "Nothing has been delivered."),
        (DayFacts(AS_OF), "Too early: no campaign has been measured yet."),
        (DayFacts(AS_OF), "Nothing to compare with yet"),
        (DayFacts(AS_OF, population=Population(people=5)), "Nobody is dormant today"),
        (DayFacts(AS_OF, population=Population(people=5, dormant=3)), "No plan was made for this day"),
        (DayFacts(AS_OF, population=Population(people=5, dormant=3)), "no message to show"),
        (DayFacts(AS_OF, population=Population(people=5, dormant=3)), "Nobody carries a score today."),
    ],
)
def test_empty_states_are_worded(day: DayFacts, expected: str) -> None:
    assert expected in render_page(day)


def test_a_day_on_hold_says_why() -> None:
    skipped = {"severe_drift": 3}
    plan = Plan(is_published=True, contactable=2, skipped=skipped, blocks=read_blocks(skipped, ()))
    html = render_page(DayFacts(AS_OF, population=Population(people=5, dormant=3), plan=plan))
    assert "No message leaves today" in html
    assert "The plan is on hold: data drifted too far" in html


def test_every_reason_has_words() -> None:
    assert set(words.SKIPS) == set(SkipReason)
    assert set(words.REJECTS) == set(RejectReason)
    assert set(words.UNSCORED) == set(UnscoredReason)


@given(st.dictionaries(st.sampled_from([str(reason) for reason in SkipReason]), st.integers(0, 500)), st.integers(0, 9))
def test_waterfall_adds_up(skipped: dict[str, int], planned: int) -> None:
    held = planned // 3
    dormant = sum(skipped.values()) + planned + held
    plan = Plan(True, 0, planned, held, skipped, blocks=read_blocks(skipped, ()))
    found = bars(plan, dormant)
    if dormant == 0:
        assert found == ()
        return
    assert found[0].people == dormant
    assert found[-1].people == planned
    minus = [bar for bar in found if bar.kind not in {"total", "chosen"}]
    assert dormant - sum(bar.people for bar in minus) == planned
    left = 1.0
    for bar in minus:
        assert bar.start + bar.width == pytest.approx(left)
        left = bar.start
    assert all(0 <= bar.start <= 1 and 0 <= bar.width <= 1 for bar in found)


def test_plan_words_win_over_our_own() -> None:
    blocks = read_blocks({"country_unknown": 5, "new_reason": 2}, [{"reason": "country_unknown", "unlock": "ask"}])
    assert [(block.words, block.unlock) for block in blocks] == [("country missing", "ask"), ("new reason", "")]


@given(st.text())
def test_cleaned_text_is_one_short_line_without_control_characters(text: str) -> None:
    found = words.clean(text, 50)
    assert len(found) <= 50
    assert "\n" not in found
    assert "\u202e" not in found
    assert "\x00" not in found


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.4, "0"), (-0.4, "0"), (1.6, "+2"), (-1.6, "−2")],
)
def test_signs_are_true(value: float, expected: str) -> None:
    assert words.signed(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Declare it per source.", "declare it per source"), ("CRM export needed", "CRM export needed"), ("", "")],
)
def test_a_sentence_becomes_a_phrase(text: str, expected: str) -> None:
    assert words.phrase(text) == expected


def test_numbers_read_well() -> None:
    assert words.against_average(0.072, None) == "7.2\u00a0%"
    assert words.people(1) == "1 person"
    assert words.many(2, "child", "children") == "2 children"
    assert (words.count(None), words.decimal(None), words.percent(None)) == ("–", "–", "–")
    assert silent_words(None) == "no dated activity"
    assert silent_words(1) == "up to date"


def test_charts_are_empty_without_data() -> None:
    assert charts.histogram({}) == charts.calibration([]) == charts.gains([]) == charts.forest([]) == ""


def test_model_pictures_follow_the_facts() -> None:
    bins = [{"p": 0.02, "observed": 0.03, "rows": 90.0}, {"p": None}]
    curve = [[0.1, 0.25], [0.2, 0.41], [1.0, 1.0]]
    rich = model_view({"name": "m", "score_kind": "model", "reliability": bins, "lift": curve})
    assert [picture.chart.count("<circle") for picture in rich.pictures] == [1, 0]
    assert "The best 20\u00a0% of the list hold 41\u00a0%" in rich.pictures[1].caption
    thin = model_view(
        {
            "name": "m",
            "score_kind": "model",
            "calibration": {"top_decile": [1.1, 0.9, 1.3]},
            "lift_at_10": 2.5,
            "log_loss_skill": [0.08, 0.05, 0.11],
        }
    )
    assert len(thin.pictures) == 2
    assert "2.5x" in thin.pictures[1].chart
    assert thin.figures[0].meaning.endswith("5.0\u00a0% to 11.0\u00a0%")
    assert model_view({"name": "scorecard", "score_kind": "rules"}).is_rules
    assert "fixed rules" in model_view({"name": "scorecard", "score_kind": "rules"}).paragraph
    assert "trained on 12 people" in model_view({"name": "m", "score_kind": "model", "train_people": 12}).paragraph


def test_a_decision_is_told_once() -> None:
    told = {"score_kind": "model", "decision": "promoted", "decision_reason": "skill 2.8 %"}
    assert model_view(told | {"paragraph": "It won: skill 2.8 %."}).decision == ""
    assert model_view(told | {"paragraph": "It won."}).decision == "Promoted: skill 2.8\u00a0%"


def test_results_without_people_are_left_out() -> None:
    view = results_view(Results(True, {}, ({"arm": "held_out", "people": 0, "reactivated": 0},)))
    assert view.rows == ()
    assert view.verdict.startswith("Too early")
