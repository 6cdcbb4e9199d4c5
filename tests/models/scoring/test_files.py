"""A file that was mutated, cut, grown or not registered is refused before anything in it is used."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import BadInputError
from contracts.files import sha256_bytes
from contracts.keys import installation_key, key_of
from models.scoring import container, files
from models.scoring.container import pack, unpack
from models.scoring.files import load_model, save_model
from models.scoring.model import ResurrectionModel
from models.scoring.program import LEAF
from models.scoring.published import POINTER, PublishedModel, folder_of, publish_model, read_model, read_pointer
from tests.models.scoring.fitted import Fitted, fit

_PREFIX = struct.Struct("<16sQ32s")


@pytest.fixture(scope="module")
def small() -> bytes:
    """The plain file of a logistic regression."""
    return fit("logistic_regression", kinds=("number", "flag")).model.to_bytes()


def resealed(content: bytes, header_bytes: int) -> bytes:
    """A file whose inner hash agrees with whatever its content is."""
    return _PREFIX.pack(container.MAGIC, header_bytes, hashlib.sha256(content).digest()) + content


def test_any_flipped_byte_is_refused(small: bytes) -> None:
    for at in range(len(small)):
        for bit in (0, 7):
            changed = bytearray(small)
            changed[at] ^= 1 << bit
            with pytest.raises(BadInputError):
                ResurrectionModel.from_bytes(bytes(changed), where="here")


def test_any_length_but_the_right_one_is_refused(small: bytes) -> None:
    for data in (*(small[:at] for at in range(0, len(small), 7)), small + b"\0" * 8, small * 2):
        with pytest.raises(BadInputError):
            ResurrectionModel.from_bytes(data, where="here")


def test_a_registered_hash_is_compared_before_the_file_is_looked_at(
    small: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(small)
    assert load_model(path, sha256=sha256_bytes(small)).to_bytes() == small
    monkeypatch.setattr(ResurrectionModel, "from_bytes", lambda *_, **__: pytest.fail("looked at"))
    with pytest.raises(BadInputError, match="changed after it was registered"):
        load_model(path, sha256="0" * 64)


def test_an_oversized_file_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1_000)
    path = tmp_path / "model.bin"
    path.write_bytes(b"\0" * 1_001)
    with pytest.raises(BadInputError, match="larger"):
        load_model(path, sha256=sha256_bytes(b"\0" * 1_001))
    with pytest.raises(BadInputError, match="does not exist"):
        load_model(tmp_path, sha256="0" * 64)


@pytest.mark.parametrize(
    "change",
    [
        lambda facts, _: facts.update(schema_version=2),
        lambda facts, _: facts.update(more=1),
        lambda facts, _: facts.pop("recipe"),
        lambda facts, _: facts.update(features=[]),
        lambda facts, _: facts["features"].append(facts["features"][0]),
        lambda facts, _: facts["features"][0].__setitem__(1, "code"),
        lambda facts, _: facts.update(categories={}),
        lambda facts, _: facts.update(words={"title_level": [10**6]}),
        lambda facts, _: facts.update(words={"is_free_mail": [8]}),
        lambda _, arrays: arrays.update(numbers=np.full_like(arrays["numbers"], np.nan)),
        lambda facts, _: facts["calibrator"].update(slope=-1.0),
        lambda facts, _: facts["calibrator"].update(intercept="x"),
        lambda facts, _: facts["calibrator"].update(rows=-3),
        lambda _, arrays: arrays["node_left"].__setitem__(slice(None), 0),
        lambda _, arrays: arrays["node_right"].__setitem__(0, 10**6),
        lambda _, arrays: arrays["node_input"].__setitem__(0, 10**6),
        lambda _, arrays: arrays["tree_start"].__setitem__(-1, 10**6),
        lambda _, arrays: arrays["input_start"].__setitem__(0, -1),
        lambda _, arrays: arrays["input_size"].__setitem__(-1, 10**6),
        lambda _, arrays: arrays["input_column"].__setitem__(0, 99),
        lambda _, arrays: arrays["input_kind"].__setitem__(0, 9),
        lambda _, arrays: arrays["node_value"].__setitem__(1, np.inf),
        lambda _, arrays: arrays["node_threshold"].__setitem__(0, np.nan),
        lambda _, arrays: arrays.update(intercept=np.array([np.nan])),
        lambda _, arrays: arrays.update(node_value=arrays["node_value"][:-1]),
        lambda _, arrays: arrays.pop("numbers"),
        lambda _, arrays: arrays.update(term_input=np.array([99], dtype=np.int32), term_weight=np.ones(1),
                                        term_mean=np.ones(1)),
    ],
)  # fmt: skip
def test_a_well_sealed_file_with_a_false_content_is_refused(trees: Fitted, change) -> None:
    facts, arrays = unpack(trees.model.to_bytes(), where="here")
    changed = {name: array.copy() for name, array in arrays.items()}
    change(facts, changed)
    with pytest.raises(BadInputError):
        ResurrectionModel.from_bytes(pack(facts, changed), where="here")


def test_whatever_a_well_sealed_file_holds_it_is_refused_or_answers_with_chances(trees: Fitted) -> None:
    """Bytes changed under a right hash reach the checks; what they let pass must not crash, hang or give nonsense."""
    original = trees.model.to_bytes()
    _, header_bytes, _ = _PREFIX.unpack_from(original)
    rng = np.random.default_rng(17)
    rows = trees.frame.iloc[:20][list(trees.model.feature_names)]
    refused = 0
    for _ in range(400):
        content = np.frombuffer(original[_PREFIX.size :], dtype=np.uint8).copy()
        at = rng.integers(0, content.size, rng.integers(1, 5))
        content[at] = rng.integers(0, 256, at.size)
        try:
            model = ResurrectionModel.from_bytes(resealed(content.tobytes(), header_bytes), where="here")
        except BadInputError:
            refused += 1
            continue
        with np.errstate(all="ignore"):
            p = model.p(rows.set_axis(list(model.feature_names), axis=1))
        assert ((p > 0) & (p < 1)).all()
    assert refused > 80


def test_two_ways_to_write_the_same_header_are_not_accepted(small: bytes) -> None:
    _, header_bytes, _ = _PREFIX.unpack_from(small)
    header = json.loads(small[_PREFIX.size : _PREFIX.size + header_bytes])
    body = small[_PREFIX.size + header_bytes :]
    for text in (json.dumps(header), json.dumps(header, indent=1), '{"facts":NaN}', "[" * 100_000, "[]", '{"a":1}'):
        raw = text.encode()
        raw += b" " * (-(_PREFIX.size + len(raw)) % 8)
        with pytest.raises(BadInputError):
            unpack(resealed(raw + body, len(raw)), where="here")


def test_a_tree_that_leads_in_a_circle_is_refused(trees: Fitted) -> None:
    facts, arrays = unpack(trees.model.to_bytes(), where="here")
    changed = {name: array.copy() for name, array in arrays.items()}
    inner = np.flatnonzero(changed["node_input"] != LEAF)
    changed["node_left"][inner[-1]] = inner[-1]
    with pytest.raises(BadInputError, match="tree"):
        ResurrectionModel.from_bytes(pack(facts, changed), where="here")


POINTED = PublishedModel(
    version="3", path="", sha256="", bytes=0, fingerprint="f" * 64, recipe="logistic_regression", anchor=0.05,
    anchor_version=1, definition_version="1", horizon_days=30, live_since="2026-06-01",
)  # fmt: skip


def test_what_is_published_is_read_without_a_registry_and_only_when_it_is_signed(trees: Fitted, tmp_path: Path) -> None:
    key = installation_key(tmp_path / "secrets", "models")
    assert installation_key(tmp_path / "secrets", "models") == key
    assert read_model(tmp_path, key=key) is None
    pointer = publish_model(tmp_path, trees.model.to_bytes(), POINTED, key=key)
    found = read_model(tmp_path, key=key)
    assert found is not None
    assert found[0] == pointer
    assert np.array_equal(found[1].p(trees.frame), trees.model.p(trees.frame))
    path = folder_of(tmp_path) / POINTER
    written = path.read_bytes()
    for change in (
        {"version": "4"},
        {"metrics": {"roc_auc": 1.0}},
        {"anchor": 0.5},
        {"path": "../../x"},
        {"signature": ""},
        {"key_id": "0" * 8},
    ):
        path.write_text(json.dumps(json.loads(written) | change))
        with pytest.raises(BadInputError, match="signed"):
            read_model(tmp_path, key=key)
    path.write_bytes(written)
    with pytest.raises(BadInputError, match="signed"):
        read_pointer(tmp_path, key=key_of(b"another" * 5))
    for content in (b"", b"{}", b"x" * 100_000, b'{"schema_version": 2}'):
        path.write_bytes(content)
        with pytest.raises(BadInputError, match="cannot be read"):
            read_pointer(tmp_path, key=key)
    path.write_bytes(written)
    model_file = folder_of(tmp_path) / pointer.path
    model_file.write_bytes(model_file.read_bytes()[:-1])
    with pytest.raises(BadInputError, match="changed after it was registered"):
        read_model(tmp_path, key=key)


def test_publishing_again_changes_nothing_and_another_model_swaps_the_pointer(trees: Fitted, tmp_path: Path) -> None:
    key = installation_key(tmp_path / "secrets", "models")
    publish_model(tmp_path, trees.model.to_bytes(), POINTED, key=key)
    path = folder_of(tmp_path) / POINTER
    before = path.stat().st_mtime_ns
    first = publish_model(tmp_path, trees.model.to_bytes(), POINTED, key=key)
    assert path.stat().st_mtime_ns == before
    other = trees.model.with_calibrator(moved_calibrator(trees.model))
    second = publish_model(tmp_path, other.to_bytes(), POINTED.model_copy(update={"version": "4"}), key=key)
    assert second.path != first.path
    assert (folder_of(tmp_path) / first.path).exists()
    current = read_pointer(tmp_path, key=key)
    assert current is not None
    assert current.version == "4"


def moved_calibrator(model: ResurrectionModel):
    """The calibrator of a model, moved."""
    return replace(model.calibrator, intercept=model.calibrator.intercept + 0.1)


def test_the_file_is_saved_with_its_hash(trees: Fitted, tmp_path: Path) -> None:
    sha = save_model(trees.model, tmp_path / "model.bin")
    assert sha == sha256_bytes(trees.model.to_bytes())
    assert load_model(tmp_path / "model.bin", sha256=sha).recipe == "hist_gradient_boosting"
