"""Checks and writes what `recovery init` asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlparse
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from email_validator import EmailNotValidError, validate_email

from contracts.errors import SettingError
from contracts.files import write_atomic
from contracts.words import Crm

_SHORTEST_ADDRESS = 10


@dataclass(frozen=True)
class SenderForm:
    """Who the sender is; checked."""

    sender_name: str
    postal_address: str
    from_address: str
    unsubscribe_url: str

    @classmethod
    def checked(cls, *, sender_name: str, postal_address: str, from_address: str, unsubscribe_url: str) -> SenderForm:
        """Build the form from text.

        Raises:
            SettingError: a field cannot be what it should be.
        """
        if not sender_name.strip():
            raise SettingError("The sender needs a name.", where="sender name", remedy="Name the organisation.")
        if len(postal_address.strip()) < _SHORTEST_ADDRESS or not any(c.isdigit() for c in postal_address):
            raise SettingError(
                "That is no physical postal address.",
                where="postal address",
                remedy="Give street, number, postal code, town and country; the law wants it in every mail.",
            )
        try:
            address = validate_email(from_address, check_deliverability=False).normalized
        except EmailNotValidError as error:
            raise SettingError(str(error), where="From address", remedy="Use an address that you own.") from error
        url = urlparse(unsubscribe_url.strip())
        if url.scheme != "https" or not url.netloc:
            raise SettingError(
                "The unsubscribe page needs an https:// address.",
                where=unsubscribe_url,
                remedy="RFC 8058 asks for one HTTPS URI.",
            )
        return cls(sender_name.strip(), postal_address.strip(), address, unsubscribe_url.strip())


@dataclass(frozen=True)
class Declared:
    """Sources as given on the command line, ready to be written as `sources.yml`."""

    sources: tuple[dict[str, object], ...]

    @classmethod
    def parse(cls, given: list[str], *, declarations: list[str], market: str | None, time_zone: str) -> Declared:
        """Parse `name=crm:folder` and `name=COUNTRY:who:words`.

        Raises:
            SettingError: a text has another shape, or names an unknown CRM, zone or source.
        """
        try:
            ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise SettingError(
                f"{time_zone!r} is no time zone.", remedy="Use an IANA name such as Europe/Berlin."
            ) from error
        told = dict(_declaration(text) for text in declarations)
        sources = []
        for text in given:
            name, crm, folder = _source(text)
            row: dict[str, object] = {"name": name, "crm": crm, "path": folder, "time_zone": time_zone}
            if market:
                row["market"] = market
            if name in told:
                row["declaration"] = told.pop(name)
            sources.append(row)
        if told:
            raise SettingError(
                f"A declaration names an unknown source: {', '.join(told)}.",
                remedy="Name it with --source too.",
            )
        return cls(tuple(sources))


def _source(text: str) -> tuple[str, str, str]:
    name, found, rest = text.partition("=")
    crm, colon, folder = rest.partition(":")
    if not (found and colon and folder) or crm not in {member.value for member in Crm}:
        raise SettingError(
            f"{text!r} is no source.",
            remedy="Write name=crm:folder with crm one of " + ", ".join(member.value for member in Crm) + ".",
        )
    return name.strip(), crm, folder.strip()


def _declaration(text: str) -> tuple[str, dict[str, str]]:
    name, found, rest = text.partition("=")
    parts = rest.split(":", 2)
    if not found or len(parts) != 3 or len(parts[0]) != 2:
        raise SettingError(
            f"{text!r} is no declaration.",
            remedy="Write name=COUNTRY:who:words, e.g. hubspot=US:Jo Doe:all leads came from our US web form.",
        )
    today = datetime.now(UTC).date().isoformat()
    return name.strip(), {
        "country": parts[0].upper(),
        "by": parts[1].strip(),
        "at": today,
        "words": parts[2].strip(),
        "basis": "relationship",
    }


def write_env(path: Path, form: SenderForm) -> None:
    """Write the sender's settings as an environment file."""
    lines = {
        "RECOVERY_SENDER_NAME": form.sender_name,
        "RECOVERY_SENDER_POSTAL_ADDRESS": form.postal_address,
        "RECOVERY_SENDER_FROM_ADDRESS": form.from_address,
        "RECOVERY_UNSUBSCRIBE_URL": form.unsubscribe_url,
    }
    text = "".join(f"{name}={_quoted(value)}\n" for name, value in lines.items())
    write_atomic(path, text.encode())
    path.chmod(0o600)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_sources(path: Path, declared: Declared) -> None:
    """Write `sources.yml`."""
    body = yaml.safe_dump({"version": 1, "sources": list(declared.sources)}, sort_keys=False, allow_unicode=True)
    write_atomic(path, body.encode())
