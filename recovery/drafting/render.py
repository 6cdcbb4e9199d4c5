"""Templates to drafts. Values are data: nothing in a lead's field is ever evaluated."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from contracts.errors import PermanentError
from contracts.words import Channel
from recovery.drafting.facts import LeadFacts, SenderFacts, is_mailbox
from recovery.drafting.lint import lint
from recovery.tokens import TokenKey

HERE: Final = Path(__file__).parent
_MAIL_PARTS: Final = ("subject", "opening", "value", "call_to_action")
_PARTS: Final = (*_MAIL_PARTS, "task", "sms")
# What a template of the operator's own can raise while it renders.
_TEMPLATE_FAULTS: Final = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError)
STYLES: Final = ("educational", "friendly", "professional")


class DraftError(PermanentError):
    """The message for one person cannot be written safely; the others go on."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message ready for a sink.

    Attributes:
        channel: how it is delivered.
        to_address: mailbox, E.164 number, or empty for a CRM task.
        subject: one line.
        text: plain text.
        html: the same words as HTML; empty but for e-mail.
        content_sha256: hash of everything above and of the touch.
    """

    channel: Channel
    to_address: str
    subject: str
    text: str
    html: str
    content_sha256: str


class Drafter:
    """Renders drafts in one style for one sender.

    Args:
        sender: who writes; must be complete.
        key: makes the unsubscribe links. It is one of the inputs: another key gives other bytes.
        list_id: the list that the links end, the sender's identifier.
        style: educational, friendly or professional.
        folder: templates.

    Raises:
        PermanentError: a template is missing or malformed.
    """

    def __init__(
        self,
        sender: SenderFacts,
        *,
        style: str,
        key: TokenKey,
        list_id: str = "main",
        folder: Path = HERE / "templates",
    ) -> None:
        self._sender, self._key, self._list_id = sender, key, list_id
        plain = {"undefined": StrictUndefined, "keep_trailing_newline": True, "loader": FileSystemLoader(folder)}
        plain["finalize"] = _only_words
        # Two worlds: text is written as it is, HTML is escaped.
        self._text = ImmutableSandboxedEnvironment(autoescape=False, **plain)
        self._html = ImmutableSandboxedEnvironment(autoescape=True, **plain)
        for environment in (self._text, self._html):
            environment.globals.clear()  # no functions, no classes
        try:
            self._layout = {
                name: (self._html if name.endswith("html.j2") else self._text).get_template(name)
                for name in ("email.txt.j2", "email.html.j2", "call.txt.j2", "crm_task.txt.j2")
            }
            self._phrases = {path.stem: self._load(path, style) for path in sorted(folder.glob("*.yml"))}
            self._personas: dict[str, dict[str, Any]] = yaml.safe_load(
                (HERE / "personas.yml").read_text(encoding="utf-8")
            )
        except (TemplateError, KeyError, yaml.YAMLError) as error:
            raise PermanentError(f"A template cannot be used: {error}.", where=str(folder)) from error
        self.version = self._version(folder, style)

    def _load(self, path: Path, style: str) -> dict[str, Template]:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {part: self._text.from_string(content[part].get(style) or content[part]["all"]) for part in _PARTS}

    def _version(self, folder: Path, style: str) -> str:
        digest = hashlib.sha256(style.encode())
        for path in (*sorted(folder.iterdir()), HERE / "personas.yml"):
            if path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:12]

    def persona(self, job_title: str | None) -> str:
        """Name of the reader's persona, from the words of the job title."""
        words = f" {' '.join(re.findall(r'[a-z]+', (job_title or '').lower()))} "
        found = [
            (len(title), name)
            for name, entry in self._personas.items()
            for title in entry["titles"]
            if f" {title} " in words
        ]
        # The longest title decides: a vice president is no president.
        return max(found)[1] if found else list(self._personas)[-1]

    def draft(
        self,
        *,
        channel: Channel,
        template: str,
        touch_id: str,
        lead: LeadFacts,
        to_address: str,
        barred: str = "none",
    ) -> Draft:
        """Write one message.

        Raises:
            DraftError: the address cannot stand in a header, a template fails, or the linter objects.
        """
        link = self.unsubscribe_link(touch_id)
        try:
            subject, text, html = self.words(channel, template, lead, link=link, barred=barred)
        except _TEMPLATE_FAULTS as error:
            raise DraftError(f"The template {template} fails: {error}.", where=f"touch {touch_id}") from error
        draft = _sealed(channel, to_address, subject, text, html, touch_id)
        problems = lint(draft, self._sender, link=link)
        if channel is Channel.EMAIL and not is_mailbox(to_address):
            problems = (*problems, "the address is not a plain mailbox")
        if problems:
            raise DraftError(f"The message is not fit to be sent: {'; '.join(problems)}.", where=f"touch {touch_id}")
        return draft

    def unsubscribe_link(self, touch_id: str) -> str:
        """The link of one touch."""
        return self._sender.unsubscribe_link(self._key.token(touch_id, list_id=self._list_id))

    def words(
        self, channel: Channel, template: str, lead: LeadFacts, *, link: str, barred: str = "none"
    ) -> tuple[str, str, str]:
        """Subject, text and HTML as rendered, not yet judged by the linter.

        Raises:
            DraftError: there is no such template.
        """
        phrases = self._phrases.get(template)
        if phrases is None:
            raise DraftError(f"There is no template {template}.", where="recovery/drafting/templates")
        facts = {
            "lead": lead,
            "sender": self._sender,
            "pain": self._personas[lead.persona]["pain"],
            "unsubscribe_link": link,
            "barred": barred,
        }
        parts = _MAIL_PARTS if channel is Channel.EMAIL else ("sms",) if channel is Channel.SMS else ("subject", "task")
        return self._compose(channel, facts | {part: _one_line(phrases[part].render(facts)) for part in parts})

    def _compose(self, channel: Channel, facts: Mapping[str, Any]) -> tuple[str, str, str]:
        if channel is Channel.EMAIL:
            text = self._layout["email.txt.j2"].render(facts)
            return facts["subject"], text, self._layout["email.html.j2"].render(facts)
        if channel is Channel.SMS:
            return "", facts["sms"], ""
        name = "call.txt.j2" if channel is Channel.CALL else "crm_task.txt.j2"
        return facts["subject"], self._layout[name].render(facts), ""


def _only_words(value: object) -> object:
    """What a template may print: text and numbers, never an object of the program."""
    if isinstance(value, (str, int, float)):
        return value
    raise TypeError("a template prints something that is no text")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sealed(channel: Channel, to_address: str, subject: str, text: str, html: str, touch_id: str) -> Draft:
    digest = content_hash(touch_id, channel, to_address, subject, text, html)
    return Draft(channel, to_address, subject, text, html, digest)


def content_hash(touch_id: str, channel: Channel, to_address: str, subject: str, text: str, html: str) -> str:
    """SHA-256 of one message and the touch that it belongs to: the words of another touch never fit."""
    content = json.dumps([touch_id, channel.value, to_address, subject, text, html], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
