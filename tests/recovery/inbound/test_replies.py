"""Labelled replies in every language of the packs, and what must never be taken for what."""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import recovery.permission.rules as rules_of_permission
from recovery.inbound.events import EventKind, FeedbackEvent
from recovery.inbound.phrases import languages, sentences_of, spelt_out, words_of
from recovery.inbound.quoted import own_words
from recovery.inbound.replies import is_automatic, read_reply, resume_on, understood

CORPUS = [
    (label, text.replace("\\n", "\n"))
    for label, text in (
        line.split("\t", 1) for line in (Path(__file__).parent / "replies.tsv").read_text().splitlines() if line
    )
]
NOW = datetime(2026, 6, 1, 12)


def test_the_corpus_is_a_few_hundred_replies_of_every_kind_and_each_is_read_rightly() -> None:
    assert len(CORPUS) >= 300
    assert {label for label, _ in CORPUS} == {"opt_out", "objection", "not_now", "wrong_person", "auto_reply", "reply"}
    wrong = [(label, str(read_reply(text)), text) for label, text in CORPUS if read_reply(text) != label]
    assert wrong == []


def test_case_accents_and_punctuation_change_nothing() -> None:
    changes = [str.upper, str.lower, str.title, lambda text: f"  {text} !!", lambda text: f"\n\n{text}\n"]
    for (label, text), change in itertools.product(CORPUS, changes):
        if label == "opt_out" and "\n" not in text:
            assert read_reply(change(text)) == "opt_out", change(text)


SPOKEN = """
AT:de BE:nl BG:bg CY:el CZ:cs DE:de DK:da EE:et ES:es FI:fi FR:fr GR:el HR:hr HU:hu IE:ga IS:is IT:it LI:de LT:lt LU:fr
LV:lv MT:mt NL:nl NO:no PL:pl PT:pt RO:ro SE:sv SI:sl SK:sk GB:en US:en CA:fr AU:en
"""
SEVEN = ["stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe"]


@pytest.mark.parametrize("word", SEVEN)
@pytest.mark.parametrize(
    "around", ["{}", "{}.", "{} please", "Please {}", "{}!!!", "{}\n\nAnn Lee", "{} {}", "\u200b{}"]
)
def test_the_seven_words_of_the_tcpa_revoke_in_any_dress(word: str, around: str) -> None:
    """47 CFR 64.1200(a)(10)."""
    for text in (word, word.upper(), word.title()):
        assert read_reply(around.format(text, text)) is EventKind.OPT_OUT
        assert read_reply("", subject=text) is EventKind.OPT_OUT


def test_every_language_of_the_permission_packs_has_its_words() -> None:
    spoken = dict(pair.split(":") for pair in SPOKEN.split())
    folder = Path(rules_of_permission.__file__).parent / "rules"
    text = "".join(path.read_text() for path in sorted(folder.glob("*.yml")))
    listed = {country for country in spoken if country in text}
    assert len(listed) > 30
    assert {spoken[country] for country in listed} <= set(languages())
    table = yaml.safe_load((Path(rules_of_permission.__file__).parents[1] / "inbound" / "words.yml").read_text())
    for language, kinds in table.items():
        assert set(kinds) - {"erase"} == {"commands", "opt_out", "refusal", "not_now", "wrong_person", "away"}, language
        for phrase in itertools.chain.from_iterable(map(spelt_out, kinds["commands"])):
            assert read_reply(phrase) is EventKind.OPT_OUT, phrase
        for phrase in itertools.chain.from_iterable(map(spelt_out, kinds["opt_out"])):
            assert read_reply(f"Hello, {phrase.replace('*', 'Ann')}") in (EventKind.OPT_OUT, EventKind.OBJECTION), (
                phrase
            )


SUBJECTS = [
    ("unsubscribe", "Regards,\nJohn Smith"), ("UNSUBSCRIBE", "John Smith\nCEO Acme"), ("STOP", "Ann"),
    ("Please remove me from your list", ""), ("Remove us from your list", "Best,\nAnn"),
    ("Re: Unsubscribe", "Sent from my iPhone"), ("Abmelden", "Mit freundlichen Grüßen\nA. Muster"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "text"), SUBJECTS)
def test_above_a_mere_signature_the_subject_says_what_is_meant(subject: str, text: str) -> None:
    assert read_reply(text, subject=subject, headers={}) is EventKind.OPT_OUT


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Re: Don't call it a comeback", "Thanks, Ann"),
        ("Re: Stop losing leads", "Sounds good.\nAnn"),
        ("Unsubscribe page", "Could you build one for us? What would it cost?"),
    ],
)
def test_a_subject_of_our_own_or_above_a_question_says_nothing(subject: str, text: str) -> None:
    assert read_reply(text, subject=subject, headers={}) is EventKind.REPLY


AUTOMATIC = [
    {"auto-submitted": "auto-replied"},
    {"auto-submitted": "auto-generated; owner-email=x"},
    {"x-autoreply": "yes"},
    {"x-autorespond": ""},
    {"precedence": "auto_reply"},
    {"precedence": "bulk"},
    {"return-path": "<>"},
]


@pytest.mark.parametrize("headers", AUTOMATIC)
def test_a_machine_never_opts_anybody_out(headers: dict[str, str]) -> None:
    """W2, mautic#2761: header fields first, whatever the words say."""
    for label, text in CORPUS:
        if label == "opt_out":
            assert read_reply(text, headers=headers) is EventKind.AUTO_REPLY
    assert is_automatic(headers)


@pytest.mark.parametrize(
    "headers", [{}, {"auto-submitted": "no"}, {"precedence": "first-class"}, {"return-path": "<a@b.c>"}]
)
def test_a_person_with_ordinary_headers_is_a_person(headers: dict[str, str]) -> None:
    assert not is_automatic(headers)
    assert read_reply("STOP", headers=headers) is EventKind.OPT_OUT


SUBJECTS = ["Automatic reply: Hello", "Out of Office: Re: Hello", "Abwesenheitsnotiz: Hallo", "Automatische Antwort: x",
            "Réponse automatique : bonjour", "Respuesta automática: hola", "Risposta automatica: R: ciao",
            "Automatisch antwoord: x", "Autosvar: x", "Automatická odpověď: x"]  # fmt: skip


@pytest.mark.parametrize("subject", SUBJECTS)
def test_an_out_of_office_that_mentions_an_unsubscription_is_no_opt_out(subject: str) -> None:
    words = "I am away. To unsubscribe from our own newsletter or cancel an order, see our page."
    assert read_reply(words, subject=subject) is EventKind.AUTO_REPLY


def test_a_subject_that_is_an_answer_to_ours_is_no_word_of_the_person() -> None:
    assert read_reply("Yes, call me", subject="Re: Stop waiting, Ann") is EventKind.REPLY


def test_not_now_names_its_day() -> None:
    expected = {
        "Not now, try again in 6 weeks": datetime(2026, 7, 13, 12),
        "try again in three months": datetime(2026, 8, 30, 12),
        "maybe later": datetime(2026, 8, 30, 12),
        "not now, please write on 2026-10-01": datetime(2026, 10, 1),
        "Im Moment nicht, in zwei Wochen": datetime(2026, 6, 15, 12),
        "not now, in 99 years": datetime(2028, 5, 31, 12),
        "not now, 2026-13-45": datetime(2026, 8, 30, 12),
    }
    assert {text: resume_on(text, now=NOW) for text in expected} == expected


def test_a_reply_event_gets_its_meaning_and_other_events_stay() -> None:
    event = FeedbackEvent("p", "1", EventKind.REPLY, NOW, touch_id="t", text="please delete my data")
    read = understood(event, now=NOW)
    assert (read.kind, read.detail) == (EventKind.OBJECTION, "asks_for_erasure")
    assert understood(FeedbackEvent("p", "1", EventKind.CLICK, NOW, text="stop"), now=NOW).kind is EventKind.CLICK
    assert "delete" not in repr(event)


def test_ten_megabytes_are_read_like_their_beginning() -> None:
    for shape in ("stop ", "> x\n", "wrote:\n", "from: a\n", "https://x ", "STOP\n>", "no more ", "S.T."):
        endless = shape * (10_000_000 // len(shape))
        assert len(own_words(endless)) <= 20_000
        assert read_reply(endless, subject=endless) is read_reply(endless[:20_000], subject=endless[:1_000])


@given(st.text(max_size=400))
def test_any_text_has_a_meaning(text: str) -> None:
    assert read_reply(text, subject=text[:50]) in EventKind
    assert len(own_words(text)) <= len(text) + 10


@given(
    st.sampled_from([text for label, text in CORPUS if label == "opt_out" and "\n" not in text]),
    st.text("\n ,.!", max_size=5),
)
def test_white_space_and_signs_around_an_opt_out_do_not_hide_it(text: str, around: str) -> None:
    assert read_reply(f"{around}{text}{around}") is EventKind.OPT_OUT


def test_words_are_told_apart() -> None:
    assert words_of("DÉSABONNER-moi, s’il vous plaît; Löschen/loeschen") == [
        "desabonner", "moi", "s", "il", "vous", "plait", "loschen", "loschen"
    ]  # fmt: skip
    assert sentences_of("No, thanks. Three!\n\n") == [["no", "thanks"], ["three"]]
