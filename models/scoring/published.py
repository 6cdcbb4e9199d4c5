"""The model in use as a serving process reads it: one plain file and a signed pointer, without MLflow.

Layout: `<published>/models/resurrection/<version>-<sha256, 16 digits>/model.bin`, never overwritten, and
`<published>/models/resurrection/current.json`, swapped atomically. A reader sees the old model or the new one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import date
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import BadInputError
from contracts.files import sha256_bytes, write_atomic
from contracts.keys import Key
from models.scoring.files import FILE_NAME, load_model
from models.scoring.model import ResurrectionModel

NAME: Final = "resurrection"
POINTER: Final = "current.json"
_MOST_POINTER: Final = 64 << 10


class PublishedModel(BaseModel):
    """What a serving process needs to know beside the file.

    Attributes:
        version: of the registered model in MLflow.
        path: of the file, relative to the pointer's folder.
        fingerprint: name of the training.
        anchor, anchor_version: base rate at which 50 points stand.
        definition_version: of the words and features the model was made with.
        live_since: as-of date on which it became the model in use.
        metrics: measures of its twin on the test slice, by name.
        reliability: there, by rising score: mean promised chance, observed rate and rows of each bin.
        key_id, signature: HMAC-SHA256 over all other values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str = NAME
    version: str
    path: str
    sha256: str
    bytes: int
    fingerprint: str
    recipe: str
    anchor: float
    anchor_version: int
    definition_version: str
    horizon_days: int
    live_since: date
    metrics: dict[str, float] = {}
    reliability: tuple[tuple[float, float, float], ...] = ()
    key_id: str = ""
    signature: str = ""


def folder_of(published: Path) -> Path:
    """Folder of the published model."""
    return published / "models" / NAME


def publish_model(published: Path, data: bytes, pointer: PublishedModel, *, key: Key) -> PublishedModel:
    """Write a model's file and swap the pointer; the same model and facts change nothing.

    Args:
        published: root of everything published.
        data: the model's plain file; its hash and length replace those of `pointer`, and so does its path.
        pointer: facts of the model, unsigned.
        key: signs the pointer.
    """
    digest = sha256_bytes(data)
    path = f"{pointer.version}-{digest[:16]}/{FILE_NAME}"
    named = pointer.model_copy(
        update={"path": path, "sha256": digest, "bytes": len(data), "key_id": key.key_id, "signature": ""}
    )
    signed = named.model_copy(update={"signature": _signature(named, key)})
    folder = folder_of(published)
    target = folder / path
    if not target.exists() or target.read_bytes() != data:
        write_atomic(target, data)
    content = signed.model_dump_json(indent=1).encode() + b"\n"
    current = folder / POINTER
    if not current.exists() or current.read_bytes() != content:
        write_atomic(current, content)
    return signed


def read_pointer(published: Path, *, key: Key) -> PublishedModel | None:
    """The signed pointer, or None before any model was promoted.

    Raises:
        BadInputError: not signed with this key, or changed since.
    """
    path = folder_of(published) / POINTER
    if not path.exists():
        return None
    remedy = "Run the newest date again, or `recovery rollback`."
    content = path.read_bytes()[: _MOST_POINTER + 1]
    try:
        if len(content) > _MOST_POINTER:
            raise ValueError("it is too large")
        pointer = PublishedModel.model_validate_json(content)
    except (ValidationError, ValueError) as error:
        raise BadInputError("The pointer to the model cannot be read.", where=str(path), remedy=remedy) from error
    genuine = hmac.compare_digest(pointer.signature.encode(), _signature(pointer, key).encode())
    if pointer.key_id != key.key_id or not genuine:
        raise BadInputError(
            "The pointer to the model is not signed with this installation's key.", where=str(path), remedy=remedy
        )
    return pointer


def published_version(published: Path) -> str | None:
    """Version that the pointer names, unchecked: whether something is to be done, never what is to be used."""
    path = folder_of(published) / POINTER
    try:
        return str(json.loads(path.read_bytes())["version"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def read_model(published: Path, *, key: Key, threads: int = 1) -> tuple[PublishedModel, ResurrectionModel] | None:
    """The model in use, or None before any was promoted; nothing unsigned or changed is looked at.

    Raises:
        BadInputError: pointer or file is missing, changed, or not signed with this key.
    """
    pointer = read_pointer(published, key=key)
    if pointer is None:
        return None
    folder = folder_of(published).resolve()
    path = (folder / pointer.path).resolve()
    if not path.is_relative_to(folder):
        raise BadInputError("The pointer names a file outside its folder.", where=str(path))
    return pointer, load_model(path, sha256=pointer.sha256, threads=threads)


def _signature(pointer: PublishedModel, key: Key) -> str:
    plain = pointer.model_dump(mode="json") | {"signature": ""}
    for name in ("metrics", "reliability"):  # as it was signed before there were any
        if not plain[name]:
            del plain[name]
    message = b"published-model\0" + json.dumps(plain, sort_keys=True, allow_nan=False).encode()
    return hmac.new(key.secret, message, hashlib.sha256).hexdigest()
