"""A page in headless Chromium, driven as a person would: pointer, wheel, keys.

In:  a file. Out: a `Tab`, by the DevTools protocol (chromedevtools.github.io/devtools-protocol).
Not here: what the page is; what is measured of it (`page.py`).
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0", "--disable-default-apps",
)  # fmt: skip
PATIENCE = 60.0
"""Seconds for the browser to start, or to answer."""

KEYS = {
    "Escape": 27,
    "Enter": 13,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Home": 36,
}


def browser() -> str | None:
    """The path of a Chromium on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def tab(*, width: int = 1400, height: int = 900, scale: float = 1.0) -> Iterator[Tab]:
    """An empty page in a browser of its own, which ends with it."""
    path = browser()
    if path is None:
        raise FileNotFoundError(f"no browser: none of {', '.join(NAMES)} is installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = (f"--user-data-dir={profile}", f"--window-size={width},{height}")
        process = subprocess.Popen(
            [path, *FLAGS, *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            with connect(_address(Path(profile), process), max_size=None, proxy=None) as socket:
                opened = Tab(socket)
                opened.size(width, height, scale)
                yield opened
                opened.command("Browser.close")
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Of the first page, as soon as the browser tells it."""
    told = profile / "DevToolsActivePort"
    until = time.monotonic() + PATIENCE
    while not (told.exists() and "\n" in told.read_text()):
        if process.poll() is not None or time.monotonic() > until:
            raise TimeoutError("the browser did not start")
        time.sleep(0.02)
    port = told.read_text().split()[0]
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
        pages = [target for target in json.load(answer) if target["type"] == "page"]
    return pages[0]["webSocketDebuggerUrl"]


class Tab:
    """One page. Pixels are CSS pixels from the upper left corner."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self.errors: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        """What the page did wrong, and what it asked for."""
        method, params = message["method"], message["params"]
        if method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"].get("exception", {}).get("description", "?"))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def size(self, width: int, height: int, scale: float) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=False,
        )  # fmt: skip

    def prefers(self, scheme: str) -> None:
        """Light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", features=features)

    def open(self, page: Path, fragment: str = "") -> None:
        """Until the page has drawn for the first time."""
        self.command("Page.navigate", url=page.resolve().as_uri() + fragment)
        self.until("window.timeline !== undefined && performance.getEntriesByName('drawn').length > 0")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives, awaited."""
        answer = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        until = time.monotonic() + PATIENCE
        while not self.value(condition):
            if time.monotonic() > until:
                raise TimeoutError(f"{condition}; errors: {self.errors}")
            time.sleep(0.02)

    def settle(self) -> None:
        """Until two more frames are drawn."""
        frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.value(f"{frame}.then(() => true)")

    def move(self, x: float, y: float) -> None:
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, x: float, y: float, by: float) -> None:
        self.move(x, y)
        self.command("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", clickCount=1)
        for part in range(1, 5):
            at = x + by * part / 4
            self.command("Input.dispatchMouseEvent", type="mouseMoved", x=at, y=y, button="left", buttons=1)
        self.command("Input.dispatchMouseEvent", type="mouseReleased", x=x + by, y=y, button="left")

    def wheel(self, x: float, y: float, by: float, *, shift: bool = False) -> None:
        self.command(
            "Input.dispatchMouseEvent",
            type="mouseWheel", x=x, y=y, deltaX=0, deltaY=by, modifiers=8 if shift else 0,
        )  # fmt: skip

    def key(self, key: str) -> None:
        code = {"windowsVirtualKeyCode": KEYS[key]} if key in KEYS else {"text": key}
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, **code)
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text: str) -> None:
        self.command("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """What is in view, as a PNG file."""
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))
