"""Takes the pictures of the docs: starts the user interfaces and photographs them in headless Chromium.

Needs a finished `make demo` and Chromium (Debian package `chromium`). Run with `make pictures`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from cli.servers import port_is_free
from cli.workspace import find_workspace
from contracts.errors import RecoveryError

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
# Invitations and side panels that cover a fresh page.
UNCOVER = """
for (const button of document.querySelectorAll('button')) {
  const label = (button.getAttribute('aria-label') || '') + '|' + (button.innerText || '').trim();
  if (/^\\|Skip$/.test(label) || /^Close.*\\|/i.test(label)) button.click();
}
"""
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
]  # fmt: skip
READY_SECONDS = 120


@dataclass(frozen=True)
class Picture:
    """One page to photograph; `wait_for` is a text that must be on it; `settle` is in seconds."""

    name: str
    url: str
    wait_for: str
    width: int = 1680
    height: int = 1050
    settle: float = 3.0


class Browser:
    """A Chromium tab driven through the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One DevTools command and its answer."""
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == self._last:
                if "error" in message:
                    raise RecoveryError(f"Chromium refused {method}.", where=str(message["error"]))
                result: dict[str, Any] = message["result"]
                return result

    def text(self) -> str:
        """Visible text of the page."""
        answer = self.call("Runtime.evaluate", expression="document.body ? document.body.innerText : ''")
        return str(answer["result"].get("value", ""))

    def take(self, picture: Picture, path: Path) -> None:
        """Open the page, wait for its text, let it settle, write a PNG."""
        size = {"width": picture.width, "height": picture.height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=picture.url)
        deadline = time.monotonic() + READY_SECONDS
        while picture.wait_for not in self.text():
            if time.monotonic() > deadline:
                raise RecoveryError(f"{picture.wait_for!r} never appeared.", where=picture.url)
            time.sleep(0.5)
        time.sleep(picture.settle)
        self.call("Runtime.evaluate", expression=UNCOVER)
        time.sleep(1.5)
        shot = self.call("Page.captureScreenshot", format="png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium with an empty profile and connect to its first tab."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        raise RecoveryError("Chromium is not installed.", remedy="Install it, e.g. `apt-get install chromium`.")
    with tempfile.TemporaryDirectory() as profile:
        process = subprocess.Popen(
            [binary, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = _devtools_port(Path(profile))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = json.load(answer)
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            with connect(address, max_size=64 << 20, proxy=None) as socket:
                yield Browser(socket)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _devtools_port(profile: Path) -> str:
    deadline = time.monotonic() + READY_SECONDS
    marker = profile / "DevToolsActivePort"
    while time.monotonic() < deadline:
        if marker.exists() and (lines := marker.read_text().splitlines()):
            return lines[0]
        time.sleep(0.2)
    raise RecoveryError("Chromium did not start.")


@contextlib.contextmanager
def servers(ports: tuple[int, int]) -> Iterator[None]:
    """`recovery dev` on the given ports, unless something answers there already."""
    if not all(port_is_free(port) for port in ports):
        yield
        return
    process = subprocess.Popen([sys.executable, "-m", "cli.main", "dev"], cwd=HERE.parent)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while any(port_is_free(port) for port in ports):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RecoveryError("The user interfaces did not start.", remedy="Run `make dev` and read its words.")
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def pages(dagster_port: int, mlflow_port: int, report: Path | None) -> list[Picture]:
    """What is photographed."""
    dagster, mlflow = f"http://127.0.0.1:{dagster_port}", f"http://127.0.0.1:{mlflow_port}"
    group = f"{dagster}/locations/pipelines.definitions/asset-groups"
    found = [
        Picture("dagster_graph", f"{dagster}/asset-groups", "ingest", width=1700, height=700, settle=6),
        Picture("dagster_campaigns", f"{group}/campaigns/lineage", "campaign_batch", width=1500, height=800, settle=6),
        Picture("dagster_runs", f"{dagster}/runs", "daily_recovery_job", height=600),
        Picture("mlflow_runs", f"{mlflow}/#/experiments/1/runs", "Run Name", width=1800, height=700, settle=5),
        Picture("mlflow_model", f"{mlflow}/#/models/resurrection", "champion", height=900, settle=4),
    ]
    if report is not None:
        found.append(Picture("daily_report", report.as_uri(), "dormant", width=1100, height=1600))
    return found


def main() -> None:
    """Take every picture into docs/pictures."""
    os.environ["NO_PROXY"] = "127.0.0.1,localhost"
    workspace = find_workspace()
    settings = workspace.engine.settings
    reports = sorted(settings.report_dir.glob("*/index.html"))
    with servers((settings.dagster_port, settings.mlflow_port)), chromium() as browser:
        for picture in pages(settings.dagster_port, settings.mlflow_port, reports[-1] if reports else None):
            browser.take(picture, PICTURES / f"{picture.name}.png")


if __name__ == "__main__":
    main()
