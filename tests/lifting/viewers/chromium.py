"""A headless Chromium, spoken to through pipes in its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol
"""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find() -> str | None:
    """Returns the path of a Chromium; None where none is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A tab. What goes wrong in it is collected in `errors`."""

    def __init__(self, commands, answers):
        self._commands, self._answers = commands, answers
        self._count = 0
        self._session = None
        self._loaded = False
        self.errors = []
        target = self.call("Target.createTarget", url="about:blank")
        self._session = self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Calls a method and returns its result."""
        self._count += 1
        message = {
            "id": self._count,
            "method": method,
            "params": parameters,
        }
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, path: pathlib.Path, width: int, height: int, **device):
        """Opens a file in a window of some size and waits until it is there.

        Args:
            path: Of the page.
            width: Of the window, in CSS pixels.
            height: Likewise.
            **device: More of `Emulation.setDeviceMetricsOverride`.
        """
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            **{"deviceScaleFactor": 1, "mobile": False} | device,
        )
        self._loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._read()

    def run(self, expression: str):
        """Returns the value of an expression, awaited."""
        result = self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def press(self, key: str, text: str = ""):
        """Presses a key; `text` is what it types."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text)

    def point(self, x: float, y: float, kind: str = "mouseMoved", **more):
        """Moves the mouse, or presses or releases it."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def screenshot(self, path: pathlib.Path):
        """Writes a PNG of the window."""
        data = self.call("Page.captureScreenshot")["data"]
        path.write_bytes(base64.b64decode(data))

    def _read(self):
        message = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("Chromium has ended")
            message += byte
        answer = json.loads(message)
        method, details = answer.get("method"), answer.get("params")
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.errors.append(details["exceptionDetails"])
        elif method == "Log.entryAdded":
            if details["entry"]["level"] == "error":
                self.errors.append(details["entry"])
        elif method == "Runtime.consoleAPICalled":
            if details["type"] in ("error", "assert"):
                self.errors.append(details["args"])
        elif method == "Network.requestWillBeSent":
            # Whatever is asked for beside the file itself.
            address = details["request"]["url"]
            if not address.startswith(("file:", "data:", "blob:")):
                self.errors.append(f"asked for {address}")
        return answer


@contextlib.contextmanager
def start(browser: str, seconds: float = 60) -> Iterator[Page]:
    """Yields a page of a browser that ends with the block.

    Args:
        browser: Its path.
        seconds: After which it is ended, so that nothing waits for ever.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        pipes = [os.path.join(folder, name) for name in ("in", "out")]
        for pipe in pipes:
            os.mkfifo(pipe)
        command = [
            browser,
            "--headless=new",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder}/profile",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
            "--hide-scrollbars",
        ]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        process = subprocess.Popen(
            [
                "sh",
                "-c",
                f'exec "$@" 3<{pipes[0]} 4>{pipes[1]}',
                "-",
                *command,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        timer = threading.Timer(
            seconds, os.killpg, (process.pid, signal.SIGKILL)
        )
        timer.start()
        try:
            with (
                open(pipes[0], "wb") as commands,
                open(pipes[1], "rb") as answers,
            ):
                yield Page(commands, answers)
        finally:
            timer.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
