"""Fixtures that every room of the domain shares."""

from tests.ledgers import bare_url, engine, ledger, ledger_templates, url

__all__ = ["bare_url", "engine", "ledger", "ledger_templates", "url"]
