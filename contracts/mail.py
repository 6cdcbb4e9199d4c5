"""What the operator declares about the DNS and the mail server of the sender; nobody asks the network."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SenderDns(BaseModel):
    """Facts that somebody looked up, kept as evidence with who and when.

    Attributes:
        spf: an SPF record covers the servers that send.
        dkim_bits: length of the RSA key that signs, 0 where nothing is signed; an Ed25519 key counts as 2,048.
        dkim_domain: the signature's domain (`d=`).
        dmarc: policy of the DMARC record of the From domain; empty where there is none.
        tls: mail is handed over encrypted.
        ptr: the sending address has a name that leads back to it.
        by, on: who looked and when.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spf: bool = False
    dkim_bits: int = Field(0, ge=0)
    dkim_domain: str = ""
    dmarc: Literal["", "none", "quarantine", "reject"] = ""
    tls: bool = False
    ptr: bool = False
    by: str = Field(min_length=1)
    on: date
