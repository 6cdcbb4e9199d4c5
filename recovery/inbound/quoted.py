"""What a person wrote, without what they quote, their signature and our own footer."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 20_000
# "On Monday Ann wrote:" and its like, on one line or two.
_WROTE: Final = (
    "wrote|schrieb|a écrit|escribió|ha scritto|scrisse|schreef|escreveu|napisał|napisała|skrev|kirjoitti|"
    "skrifaði|napsal|napsala|napísal|je napisal|je napisao|írta|a scris|написа|έγραψε|kirjutas|rakstīja|rašė|kiteb|"
    "scríobh"
)
_ATTRIBUTION: Final = re.compile(rf"(?im)^[^\n>]{{0,300}}(?:\n[^\n>]{{0,200}})?\b(?:{_WROTE})[^\n]{{0,80}}:[ \t]*$")
# Outlook: a rule or a block of header lines.
_ORIGINAL: Final = (
    "original message|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale|"
    "oorspronkelijk bericht|mensagem original|wiadomość oryginalna|ursprungligt meddelande|oprindelig meddelelse|"
    "forwarded message"
)
_RULE: Final = re.compile(rf"(?im)^[ \t]*(?:_{{10,}}|-{{2,}}[ \t]*(?:{_ORIGINAL})[ \t]*-{{2,}})[ \t]*$")
_FROM: Final = "from|von|de|da|van|od|från|fra|lähettäjä|feladó|expéditeur"
_SENT: Final = (
    "sent|gesendet|envoyé|enviado|inviato|verzonden|wysłano|skickat|sendt|date|datum|to|an|à|para|a|aan|do|til|till"
)
_FIELDS: Final = re.compile(rf"(?im)^[ \t*]*(?:{_FROM})[ \t*]*:[^\n]*\n(?:[^\n]*\n){{0,2}}?[ \t*]*(?:{_SENT})[ \t*]*:")
_BY_PHONE: Final = (
    r"sent from my|sent via|get outlook for|von meinem \S+ gesendet|gesendet von|envoyé de mon|envoyé depuis|"
    r"enviado desde mi|inviato da|verstuurd vanaf|enviado do meu|wysłane z|skickat från|sendt fra"
)
SIGNATURE: Final = re.compile(rf"(?im)^(?:--[ \t]*|[ \t]*(?:{_BY_PHONE})[^\n]*)$")
# Our own footer and the notice of a text message, where a program quotes them without a mark.
# "Text STOP" alone is what a person writes; a notice says what it is good for.
_OURS: Final = re.compile(
    r"(?im)^[^\n]*(?:https?://\S+|this is an advertisement from)[^\n]*$|"
    r"\b(?:(?:reply|antworte\w*|répond\w*|respond\w*|rispond\w*|antwoord\w*|odpowiedz|svar\w*)"
    r"[^\w.!?;\n]+(?:\w+[^\w.!?;\n]+){0,3}?['\"«„]?STOP\b|"
    r"text[^\w.!?;\n]+(?:\w+[^\w.!?;\n]+){0,3}?['\"«„]?STOP\b(?=[^\w.!?;\n]+(?:to|and|at)\b))[^\n]*"
)


def own_words(text: str) -> str:
    """The sender's own words.

    Text below a quotation mark (`>`) is left out line by line, so an answer below the quoted text is kept. Below
    Outlook's rule or header block nothing is the sender's own.
    """
    body = text[:_LONGEST].replace("\r\n", "\n").replace("\r", "\n")
    for mark in (_RULE, _FIELDS):
        found = mark.search(body)
        if found is not None:
            body = body[: found.start()]
    body = _without_quotations(body)
    found = SIGNATURE.search(body)
    if found is not None and body[: found.start()].strip():
        body = body[: found.start()]
    return _OURS.sub(" ", body).strip()


def _without_quotations(body: str) -> str:
    found = _ATTRIBUTION.search(body)
    if found is not None:
        below = body[found.end() :].lstrip()
        # Without marks nobody can tell where the quoted text ends.
        body = body[: found.start()] + (body[found.end() :] if below.startswith(">") else "")
    return "\n".join(line for line in body.split("\n") if not line.lstrip().startswith(">"))
