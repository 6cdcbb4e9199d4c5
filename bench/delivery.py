"""Delivery against what does nothing but send: `python -m bench.delivery [--touches N] [--ledger N] [--rounds N]`.

Ours claims, re-checks permission, hours and frequency, renders, sends and marks durably; part of `make bench`.

The far end is Postfix's `smtp-sink`, a C program that throws everything away. Baselines send the same number of mails
of the same size in the same rounds: a nodemailer pool of five connections where npm can install it, else Postfix's
`smtp-source`; and our own SMTP sink without any ledger.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.delivery_ledger import ledger_figures
from bench.delivery_world import KEY, SENDER, approved, link_of, make_touch
from bench.measure import run_measured
from bench.rows import BENCH_DIR, ROOT, Origin, Row, make_row, origin, write_suite
from bench.table import show
from contracts.settings import Settings
from contracts.words import Basis, Channel
from recovery.cadence import parse_caps
from recovery.delivery.deliver import Delivery, Order, Route
from recovery.delivery.handle import allow_all
from recovery.delivery.worker import Terms
from recovery.ledger import open_ledger
from recovery.ledger.engine import make_engine
from recovery.permission import ContactFacts, Fact, PermissionPolicy, Stance, load_rules
from recovery.permission.context import Context, dump_context
from recovery.permission.recheck import Recheck
from recovery.sinks.dkim_signing import DkimSigner
from recovery.sinks.protocol import OutgoingTouch
from recovery.sinks.smtp import SmtpSink
from recovery.sinks.smtp_client import SmtpServer

TOUCHES: Final = 5_000
WORKERS: Final = 2
MEMORY_TOUCHES: Final = 1_000_000
_DAY: Final = timedelta(days=1)
_MORNING: Final = datetime(2026, 6, 1, 15)  # noqa: DTZ001 - naive UTC, as the ledger keeps it
# value / baseline are seconds: 1.2 times as fast as nodemailer, 0.6 times as fast as smtp-source.
_NODEMAILER: Final = 1 / 1.2
_SMTP_SOURCE: Final = 1 / 0.6
_LEDGER_COST: Final = 1.2
# Delivery as it is, with each message signed, and without the re-check.
_KINDS: Final = ("whole", "signed", "unchecked")
_MEMORY: Final = 300.0
_NODE: Final = """
const nodemailer = require("nodemailer");
const [port, count] = process.argv.slice(2).map(Number);
const text = "Hello canary-0000000".padEnd(400, " lorem ipsum"), html = `<p>${text}</p>`;
const pool = nodemailer.createTransport({
  host: "127.0.0.1", port, pool: true, maxConnections: 5, maxMessages: Infinity, ignoreTLS: true });
const started = process.hrtime.bigint();
Promise.all(Array.from({ length: count }, (_, n) => pool.sendMail({
  from: "Acme <hello@acme.example>", to: `lead${n}@people.example`, subject: `About canary-${n}`, text, html,
  headers: { "List-Unsubscribe": `<https://acme.example/u?t=${n}>`,
             "List-Unsubscribe-Post": "List-Unsubscribe=One-Click" } }))).then(() => {
  console.log(Number(process.hrtime.bigint() - started) / 1e9); pool.close(); });
"""


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Port of Postfix's sink, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([_tool("smtp-sink"), "-u", "nobody", f"127.0.0.1:{port}", "1000"])
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} of Postfix is not installed")
    return found


def _wait(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("smtp-sink did not start")


def make_ledger(folder: Path, touches: int) -> str:
    """A ledger with one approved batch of e-mails; returns its URL."""
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    rows = [make_touch(n, opens=_MORNING - _DAY, closes=_MORNING + _DAY) for n in range(touches)]
    contexts = {row.touch_id: _context(row.draft.to_address) for row in rows}
    with open_ledger(url) as ledger:
        approved(ledger, ledger.engine, rows, sink="smtp", rules=load_rules().sha256, contexts=contexts)
    return url


def _context(address: str) -> str:
    """What the plan would have known: somebody in New York who asked three months ago."""
    facts = ContactFacts(
        countries=frozenset(["US"]),
        states=frozenset(["NY"]),
        is_state_known=True,
        zones=frozenset(["America/New_York"]),
        has_address=True,
        has_opt_out_source=True,
        facts=frozenset([Fact("all", Stance.ALLOWED, Basis.INQUIRY, since=_MORNING.date() - timedelta(days=90))]),
    )
    return dump_context(Context(facts, frozenset([KEY.hash(address)]), rules_sha256=load_rules().sha256))


def _clock() -> Callable[[], datetime]:
    """Runs from a Monday morning in New York on: the hour at which somebody measures changes nothing."""
    started = time.monotonic()
    return lambda: _MORNING + timedelta(seconds=time.monotonic() - started)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _sink(port: int, signer: DkimSigner | None = None) -> SmtpSink:
    return SmtpSink(
        SmtpServer("127.0.0.1", port, security="none"), signer=signer, pool=2, messages_per_connection=1_000
    )


def with_ledger(
    folder: Path, url: str, port: int, signer: DkimSigner | None = None, *, is_rechecked: bool = True
) -> float:
    """Seconds from claim to the last mark, each touch re-checked as in production unless told otherwise."""
    engine = make_engine(url, connections=2 * WORKERS + 2)
    caps = parse_caps(Settings().frequency_caps)
    rules = load_rules()
    delivery = Delivery(
        engine=engine,
        routes=[Route("smtp", lambda: _sink(port, signer), Terms(), workers=WORKERS)],
        recheck=lambda: Recheck(engine, rules, PermissionPolicy(), caps) if is_rechecked else allow_all,
        sender=SENDER,
        control_dir=folder / "control",
        is_paused=lambda: False,
        clock=_clock(),
    )
    started = time.perf_counter()
    (counts,) = delivery.run(Order()).counts
    seconds = time.perf_counter() - started
    engine.dispose()
    if counts.open or len(counts.by_state) != 1:
        raise RuntimeError(f"not everything was sent: {counts.by_state}")
    return seconds


def without_ledger(port: int, touches: int) -> float:
    """Seconds of the same messages through the same sink, in the same groups, with nothing written down."""
    from concurrent.futures import ThreadPoolExecutor

    now = _now()
    outgoing = [_outgoing(n, now) for n in range(touches)]
    groups = [outgoing[start : start + 50] for start in range(0, touches, 50)]
    started = time.perf_counter()

    def work(share: list[list[OutgoingTouch]]) -> None:
        sink = _sink(port)
        for group in share:
            sink.send(group)
        sink.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, [groups[n::WORKERS] for n in range(WORKERS)]))
    return time.perf_counter() - started


def _outgoing(number: int, now: datetime) -> OutgoingTouch:
    touch = make_touch(number)
    return OutgoingTouch(
        touch_id=touch.touch_id,
        idempotency_key=touch.touch_id,
        person_id=touch.person_id,
        channel=Channel.EMAIL,
        address=touch.draft.to_address,
        sender=SENDER,
        subject=touch.draft.subject,
        text=touch.draft.text,
        html=touch.draft.html,
        unsubscribe_url=link_of(touch.touch_id),
        date=now,
        expires_at=touch.expires_at,
    )


def nodemailer(folder: Path) -> Path | None:
    """Folder with nodemailer installed, or None where npm cannot."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None
    (folder / "send.js").write_text(_NODE)
    done = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "nodemailer"],
        cwd=folder, capture_output=True, timeout=180, check=False,
    )  # fmt: skip
    return folder if done.returncode == 0 else None


def bare(folder: Path | None, port: int, touches: int) -> float:
    """Seconds of the baseline: nodemailer with five connections, else smtp-source with five sessions."""
    if folder is not None:
        done = subprocess.run(
            ["node", "send.js", str(port), str(touches)], cwd=folder, capture_output=True, text=True, check=True
        )
        return float(done.stdout)
    started = time.perf_counter()
    subprocess.run(
        [_tool("smtp-source"), "-s", "5", "-m", str(touches), "-l", "1500", "-d", f"127.0.0.1:{port}"], check=True
    )
    return time.perf_counter() - started


def throughput(origin_: Origin, *, touches: int, rounds: int) -> list[Row]:
    """Seconds per `touches` mails, ours and the baselines, interleaved."""
    with tempfile.TemporaryDirectory() as name, smtp_sink() as port:
        root = Path(name)
        (root / "node").mkdir()
        node = nodemailer(root / "node")
        taken: dict[str, list[float]] = {kind: [] for kind in _KINDS}
        base: list[float] = []
        plain: list[float] = []
        signer = DkimSigner("acme.example", "s", _key())
        for number in range(rounds):
            for kind, seconds in taken.items():
                folder = root / f"{number}-{kind}"
                folder.mkdir()
                url = make_ledger(folder, touches)
                key = signer if kind == "signed" else None
                seconds.append(with_ledger(folder, url, port, key, is_rechecked=kind != "unchecked"))
            plain.append(without_ledger(port, touches))
            base.append(bare(node, port, touches))
    rival = "nodemailer pool of 5" if node else "smtp-source, 5 sessions"
    target = _NODEMAILER if node else _SMTP_SOURCE
    unit = f"s per {touches:,}"
    return [
        make_row(origin_, f"end to end, against {rival}", taken["whole"], unit, baseline=base, target_ratio=target),
        make_row(origin_, f"end to end with DKIM, against {rival}", taken["signed"], unit, baseline=base),
        make_row(origin_, "durable ledger, against sending without it", taken["unchecked"], unit, baseline=plain,
                 target_ratio=_LEDGER_COST),
        make_row(origin_, "re-check, against delivery without it", taken["whole"], unit, baseline=taken["unchecked"]),
    ]  # fmt: skip


def _key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def memory(origin_: Origin, *, touches: int) -> Row:
    """Most memory of a sender that works a ledger of so many approved touches, over its first 2,000."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "bench.delivery", "--memory-of", name, "--ledger", str(touches)]
        output = run_measured(command, cwd=ROOT).output
    return make_row(
        origin_, f"memory of a sender at {touches:,} touches", [float(json.loads(output))], "MB", target=_MEMORY
    )


def memory_of(folder: Path, touches: int) -> float:
    """Megabytes; the ledger is made in another process, so that only the sender counts."""
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    subprocess.run(
        [sys.executable, "-c", f"from bench.delivery_ledger import fill; fill({url!r}, {touches}, contents=2_000)"],
        cwd=ROOT, check=True,
    )  # fmt: skip
    sent = 0
    with smtp_sink() as port:
        engine = make_engine(url, connections=6)
        delivery = Delivery(
            engine=engine,
            routes=[Route("smtp", lambda: _sink(port), Terms(), workers=WORKERS)],
            recheck=lambda: allow_all,
            sender=SENDER,
            control_dir=folder / "control",
            is_paused=lambda: False,
            clock=_now,
        )

        def stop(settlements: object) -> None:
            nonlocal sent
            sent += len(settlements)  # type: ignore[arg-type]
            if sent >= 2_000:
                delivery.drain()

        delivery.progress = stop
        delivery.run(Order())
        engine.dispose()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure, print, write `var/bench/delivery.json`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--touches", type=int, default=TOUCHES, help="mails per round")
    parser.add_argument("--ledger", type=int, default=5_000_000, help="touches of the large ledger; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of is not None:
        sys.stdout.write(json.dumps(memory_of(options.memory_of, options.ledger)))
        return
    begun = origin()
    rows = throughput(begun, touches=options.touches, rounds=options.rounds)
    if options.ledger >= MEMORY_TOUCHES:
        rows.append(memory(begun, touches=MEMORY_TOUCHES))
    if options.ledger:
        rows += ledger_figures(begun, touches=options.ledger)
    write_suite("delivery", rows, folder=BENCH_DIR)
    show("Delivery", rows)


if __name__ == "__main__":
    main()
