"""Refusals and honest answers in every language, in words that no list of phrases holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recovery.inbound.courtesy import is_command, says_nothing
from recovery.inbound.events import EventKind
from recovery.inbound.phrases import commands_of, languages
from recovery.inbound.replies import asks_for_erasure, read_reply
from recovery.inbound.spelling import mended

_REFUSED = (EventKind.OPT_OUT, EventKind.OBJECTION)
SAID: dict[str, dict[str, list[str]]] = yaml.safe_load(Path(__file__).with_name("said.yml").read_text(encoding="utf-8"))
REFUSED = [text for said in SAID.values() for text in said["refused"]]
HONEST = [text for said in SAID.values() for text in said["honest"]]
COMMANDS = sorted({" ".join(words) for language in languages() for words in commands_of(language)})


def test_every_language_of_the_packs_has_refusals_and_honest_answers() -> None:
    assert set(SAID) == set(languages())
    assert all(len(said["refused"]) >= 8 and len(said["honest"]) >= 3 for said in SAID.values())


@pytest.mark.parametrize("language", SAID)
def test_a_refusal_in_any_words_is_a_refusal(language: str) -> None:
    """G-02, T-07."""
    missed = [text for text in SAID[language]["refused"] if read_reply(text) not in _REFUSED]
    assert missed == []


@pytest.mark.parametrize("language", SAID)
def test_an_honest_answer_stays_an_answer(language: str) -> None:
    taken = {text: str(read_reply(text)) for text in SAID[language]["honest"]}
    assert {text: kind for text, kind in taken.items() if kind != "reply"} == {}


@given(st.sampled_from(HONEST), st.sampled_from(REFUSED + COMMANDS))
def test_quoted_words_below_an_answer_never_refuse(answer: str, quoted: str) -> None:
    assert read_reply(f"{answer}\n\nOn Mon, Jun 1, 2026 Harbor wrote:\n> {quoted}") is EventKind.REPLY


@given(
    st.sampled_from(REFUSED), st.sampled_from(["", "Hello\n", "I read your mail.\n"]), st.sampled_from(["", "\nAnn"])
)
def test_words_around_never_hide_a_refusal(text: str, before: str, after: str) -> None:
    assert read_reply(before + text + after) in _REFUSED


@given(st.sampled_from(COMMANDS), st.sampled_from(["Who is this? {}", "Hi.\nI got your text. {}.\nAnn", "{}! Thanks"]))
def test_a_sentence_that_is_a_command_is_always_a_refusal(command: str, around: str) -> None:
    assert read_reply(around.format(command)) in _REFUSED


@given(st.sampled_from(COMMANDS), st.data())
def test_signs_that_are_not_seen_never_hide_a_command(command: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(command)))
    unseen = data.draw(st.sampled_from("\u200b\u00ad\u200d\ufeff\u2060"))
    assert read_reply(command[:at] + unseen + command[at:]) in _REFUSED


@given(st.sampled_from(["stop", "quit", "unsubscribe", "abmelden", "afmelden"]), st.sampled_from([" ", ".", "-", "_"]))
def test_letters_that_stand_apart_are_read_together(word: str, between: str) -> None:
    assert read_reply(between.join(word)) is EventKind.OPT_OUT
    assert read_reply(between.join(word.upper())) is EventKind.OPT_OUT


@given(st.data())
def test_one_slip_in_the_word_for_unsubscribe_is_forgiven(data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(["unsubscribe", "desabonner", "uitschrijven", "leiratkozas"]))
    at = data.draw(st.integers(3, len(word) - 2))
    other = data.draw(st.sampled_from(["", word[at] * 2, "x", "e"]))
    assert mended(word[:at] + other + word[at + 1 :]) == word


@pytest.mark.parametrize("word", ["subscribe", "unsubscribed", "anmelden", "auftragen", "aanmelden", "feliratkozas"])
def test_another_word_is_not_taken_for_a_misspelling(word: str) -> None:
    assert mended(word) == word


SIGNATURES = ["", "Ann", "ann", "Kind regards\nAnn Lee\nAcme Inc", "Mit freundlichen Grüßen\nA. Muster",
              "Ann Lee\nCEO\n+1 212 555 0100\nann@acme.example", "Cordialement,\nAnn",
              "Sent from my iPhone"]  # fmt: skip
SENTENCES = ["Yes, please call me", "Sounds good.\nAnn", "What does it cost?", "we can meet on Friday"]


def test_a_signature_says_nothing_and_a_sentence_does() -> None:
    assert [text for text in SIGNATURES if not says_nothing(text)] == []
    assert [text for text in SENTENCES if says_nothing(text)] == []


@pytest.mark.parametrize("subject", ["STOP", "Re: Your quote - STOP", "Unsubscribe me please", "Abmelden bitte"])
def test_a_command_in_the_subject_counts_above_a_signature_and_not_above_an_answer(subject: str) -> None:
    assert read_reply("Kind regards\nAnn Lee\nAcme Inc", subject=subject) is EventKind.OPT_OUT
    assert read_reply("Yes, please call me about the offer", subject=subject) is EventKind.REPLY


def test_a_command_among_courtesies_is_of_one_language() -> None:
    assert is_command("Could you please stop, thank you")
    assert is_command("Proszę STOP, dziękuję")
    assert not is_command("Please stop by")
    assert not is_command("a fin de mes")


ERASE = [
    "Please delete all my personal data", "Erase the data you hold on me", "Löschen Sie bitte alle meine Daten",
    "Veuillez effacer toutes mes données", "Borren todos mis datos", "Cancellate tutti i miei dati",
    "Wis alle mijn gegevens", "Eliminem todos os meus dados", "Proszę o usunięcie moich danych",
    "Radera alla mina uppgifter", "Slet alle mine data", "Slett alle mine personopplysninger",
    "Poistakaa kaikki tietoni", "Eyðið öllum gögnum um mig", "Smažte všechny mé údaje", "Vymažte všetky moje údaje",
    "Izbrišite vse moje podatke", "Obrišite sve moje podatke", "Töröljék az adataimat",
    "Ștergeți toate datele mele", "Изтрийте всички лични данни", "Διαγράψτε όλα τα προσωπικά δεδομένα",
    "Kustutage kõik minu andmed", "Dzēsiet visus manus datus", "Ištrinkite visus mano duomenis",
    "Ħassru d-data tiegħi", "Scrios gach mo shonraí",
]  # fmt: skip


@pytest.mark.parametrize("text", ERASE)
def test_a_request_to_erase_is_known_in_every_language_in_text_or_subject(text: str) -> None:
    """G-05."""
    assert read_reply(text) is EventKind.OBJECTION
    assert asks_for_erasure(text)
    assert asks_for_erasure("Ann", subject=text)
    assert read_reply("Ann", subject=text) is EventKind.OBJECTION
    assert not asks_for_erasure("Please call me about the offer", subject=text)


@pytest.mark.parametrize(
    "notice", ["Reply STOP to opt out.", "Text STOP to end.", "Antworten Sie mit STOP.", "Répondez STOP pour arrêter"]
)
def test_our_own_notice_below_an_answer_is_no_word_of_the_person(notice: str) -> None:
    assert read_reply(f"Yes, call me\n{notice}") is EventKind.REPLY
    assert read_reply("Text STOP") is EventKind.OPT_OUT
