"""Who may use the scoring API, how often it was used, and answers that are given once."""

from recovery.access.keys import ApiKey, KeyStore, Role, split_token
from recovery.access.usage import UsageRow, add_usage, read_usage

__all__ = ["ApiKey", "KeyStore", "Role", "UsageRow", "add_usage", "read_usage", "split_token"]
