r"""Measures the speed of the browser page and how often it finds a person.

    make web
    python -m benchmarks.browser --film=clip.mjpeg --detector=full --seconds=30

Chromium plays the film as a webcam, without a GPU. To make one: `ffmpeg -i
clip.mp4 -vf scale=640:-2,pad=640:480:0:-1 -q:v 3 -an clip.mjpeg`. Prints the
share of frames with a person, frames per second, and the milliseconds of each
stage, with the machine's load: on a busy machine, the 5th percentile is closer
to the time on a quiet one. Processor time includes all Chromium processes.
"""

import functools
import http.server
import os
import pathlib
import threading

import numpy as np
from absl import flags

from ampose_tf.config import commandline

_DIST = pathlib.Path(__file__).parents[1] / "web/dist"
_STAGES = ("read", "detect", "landmarks", "lift")
# Collects the responses of the page's worker.
_LISTEN = """
window.frames_seen = [];
window.Worker = class extends Worker {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => {
      if (data.kind !== "frame") return;
      const { found, times } = data;
      frames_seen.push([performance.now(), Number(found !== null),
        times.read, times.detect, times.landmarks, times.lift]);
    });
  }
};
"""


class _Host(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def define_flags(flag_values):
    for define, name, default, meaning in (
        (flags.DEFINE_string, "film", None, "A `.mjpeg` or `.y4m` file."),
        (flags.DEFINE_string, "detector", "full", "`full` or `lite`."),
        (flags.DEFINE_string, "lifter", "ampose_s", "A released model."),
        (flags.DEFINE_integer, "seconds", 30, "Duration of the measurement."),
    ):
        define(
            name,
            default,
            meaning,
            required=default is None,
            flag_values=flag_values,
        )


def main(options):
    from playwright.sync_api import sync_playwright

    handler = functools.partial(_Host, directory=_DIST)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={options.film}",
            ],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        page.add_init_script(_LISTEN)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        for value in (options.detector, options.lifter):
            page.evaluate(f"document.querySelector('[value={value}]').click()")
        page.locator("#status", has_text="Ready").wait_for()
        page.click("#camera")
        page.wait_for_selector("#image[data-found]", timeout=60_000)
        before = _processor_s()
        page.evaluate("frames_seen.length = 0")
        page.wait_for_timeout(1000 * options.seconds)
        frames = np.array(page.evaluate("frames_seen"))
        used = _processor_s() - before
        browser.close()
    server.shutdown()
    rates = 1000 / np.diff(frames[:, 0])
    found = frames[:, 1] == 1
    print(
        f"{options.detector}, {options.lifter}: a person in {found.sum()} of "
        f"{len(frames)} frames ({found.mean():.1%}), "
        f"{np.median(rates):.1f} frames/s (median), "
        f"{1000 * used / len(frames):.0f} ms of processor time per frame, "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    )
    for stage, times in zip(_STAGES, frames[:, 2:].T, strict=True):
        times = times[times > 0]
        if len(times):
            low, median, high = np.percentile(times, (5, 50, 95))
            print(
                f"  {stage}: {median:.1f} ms (5 % {low:.1f}, 95 % "
                f"{high:.1f}), in {len(times)} frames"
            )


def _processor_s():
    """Returns the processor time of this process's descendants so far."""
    parents, ticks = {}, {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # The process has just ended.
        pid = int(path.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:13]))

    def is_ours(pid):
        while pid in parents:
            pid = parents[pid]
            if pid == os.getpid():
                return True
        return False

    total = sum(ticks[pid] for pid in ticks if is_ours(pid))
    return total / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    commandline.run(main, define_flags)
