r"""Compares our BlazePose with MediaPipe's own, frame by frame.

    pip download --no-deps sports2d==0.8.34          # Demo/demo.mp4
    npm install @mediapipe/pose@0.5.1675469404
    python -m benchmarks.blazepose --clip=demo.mp4 --workdir=DIR \
        --npm=node_modules/@mediapipe/pose

Both get the same frames, as PNG files. MediaPipe runs in Debian's Chromium
through Playwright, with its graphics on a processor and full, unsmoothed
landmarks. It follows one person; we follow `--people`, and the nearest of them
is compared. MediaPipe's results stay in the folder, and a second run reuses
them.

Prints distances of landmarks with a visibility of at least 0.5, in pixels of
the image, over all frames in which both have a person; the frames in which
most landmarks differ by more than a tenth of the person's size, which means
that the two are on different bodies; and the time per frame.
"""

import functools
import json
import pathlib
import time

import numpy as np
from absl import flags
from PIL import Image

from ampose_tf import config, files, progress
from ampose_tf.lifting import keypoints

_SITE = "http://localhost/"
_ARGUMENTS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
_PAGE = """<!doctype html>
<script src="/pose.js"></script>
<script>
let pose, found;
async function start() {
  pose = new Pose({locateFile: (name) => '/' + name});
  pose.setOptions({modelComplexity: 1, smoothLandmarks: false});
  pose.onResults((results) => {
    found = (results.poseLandmarks || []).map(
        (landmark) => [landmark.x, landmark.y, landmark.visibility]);
  });
  await pose.initialize();
}
async function find([name, milliseconds]) {
  const image = new Image();
  image.src = '/frames/' + name;
  await image.decode();
  await pose.send({image}, milliseconds);
  return found;
}
</script>"""
_KINDS = {
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".png": "image/png",
}
_LEAST_SEEN = 0.5
_OTHER_BODY = 0.1
_SKIPPED = 5  # First frames, which are searched for people: not timed.


def define_flags(flag_values):
    for name, meaning in (
        ("clip", "Video in any format that ffmpeg reads."),
        ("npm", "Folder of npm's @mediapipe/pose."),
        ("workdir", "Folder for the frames and MediaPipe's results."),
    ):
        flags.DEFINE_string(
            name, None, meaning, required=True, flag_values=flag_values
        )
    flags.DEFINE_string(
        "detector", "full", "Our detector.", flag_values=flag_values
    )
    flags.DEFINE_integer(
        "people", 2, "Number of people to follow.", flag_values=flag_values
    )


def main(options):
    workdir = pathlib.Path(options.workdir)
    fps = _decode(options.clip, workdir)
    paths = sorted(workdir.glob("*.png"))
    known = workdir / "mediapipe.json"
    if not known.exists():
        found = _by_mediapipe(paths, fps, pathlib.Path(options.npm))
        files.write_text(known, json.dumps(found))
    theirs = json.loads(known.read_text(encoding="utf-8"))
    ours, seconds = _by_us(paths, fps, options.detector, options.people)
    _compare(paths, theirs, ours)
    times = 1000 * np.array(seconds[_SKIPPED:])
    print(
        f"ours, {options.detector}: {np.median(times):.1f} ms per frame "
        f"(median), {times.mean():.1f} on average, {times.max():.0f} at most"
    )


def _decode(clip, workdir):
    """Writes a clip's frames and returns its frames per second."""
    from ampose_tf.lifting.blazepose import frames

    with frames.opened(clip) as opened:
        if not opened.rates:
            raise ValueError(f"{clip}: its frame rate is missing")
        if not any(workdir.glob("*.png")):
            workdir.mkdir(parents=True, exist_ok=True)
            for number, picture in enumerate(opened, start=1):
                # Pillow writes no colour profile, which Chromium would
                # apply.
                Image.fromarray(picture.pixels).save(
                    workdir / f"{number:04d}.png", compress_level=1
                )
        return opened.rates[0]


def _by_mediapipe(paths, fps, npm):
    """Returns (33, 3) of x, y from 0 to 1 and visibility, or [], by name."""
    from playwright.sync_api import sync_playwright

    found = {}
    with (
        sync_playwright() as playwright,
        progress.bar(len(paths), "frame") as done,
    ):
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=_ARGUMENTS
        )
        page = browser.new_page()
        page.set_default_timeout(0)
        page.route(
            f"{_SITE}**", functools.partial(_serve, paths[0].parent, npm)
        )
        page.goto(_SITE)
        page.evaluate("start()")
        for index, path in enumerate(paths):
            # A time of 0 has a special meaning.
            found[path.name] = page.evaluate(
                "asked => find(asked)", [path.name, 1000 * (1 + index / fps)]
            )
            done(1)
        browser.close()
    return found


def _serve(frames, npm, route):
    asked = route.request.url.removeprefix(_SITE)
    if not asked:
        route.fulfill(body=_PAGE, content_type="text/html")
        return
    path = npm / asked
    if asked.startswith("frames/"):
        path = frames / asked.removeprefix("frames/")
    if not path.is_file():
        route.fulfill(status=404)
        return
    kind = _KINDS.get(path.suffix, "application/octet-stream")
    route.fulfill(body=path.read_bytes(), content_type=kind)


def _by_us(paths, fps, detector, people):
    from ampose_tf.lifting.blazepose import following

    follower = following.Follower(detector, people)
    found, seconds = {}, []
    for index, path in enumerate(paths):
        with Image.open(path) as image:
            pixels = np.asarray(image)
        start = time.perf_counter()
        found[path.name] = follower.follow(pixels, index / fps)
        seconds.append(time.perf_counter() - start)
    return found, seconds


def _compare(paths, theirs, ours):
    with Image.open(paths[0]) as image:
        size = image.size
    apart, elsewhere, alone = {}, [], {"theirs": [], "ours": [], "neither": []}
    for path in paths:
        them, us = np.array(theirs[path.name]), ours[path.name]
        if not (len(them) and us):
            who = "theirs" if len(them) else "ours" if us else "neither"
            alone[who].append(path.stem)
            continue
        seen = them[:, 2] >= _LEAST_SEEN
        points = them[:, :2] * size
        distances = min(
            (np.linalg.norm(p.pixels - points, axis=-1) for p in us),
            key=np.median,
        )
        apart[path.stem] = distances[seen]
        person = keypoints.diagonals(points, np.ones(len(points), bool))
        if np.median(distances) > _OTHER_BODY * person:
            elsewhere.append(path.stem)
    print(f"{len(paths)} frames of {size[0]} x {size[1]}")
    for who, stems in alone.items():
        print(f"  frames only in {who}: {len(stems)} {' '.join(stems)}")
    _print("all", apart)
    print(f"  on different bodies: {len(elsewhere)} {' '.join(elsewhere)}")
    _print(
        "on the same body",
        {stem: d for stem, d in apart.items() if stem not in elsewhere},
    )


def _print(name, apart):
    values = np.concatenate(list(apart.values()))
    median, most = np.percentile(values, (50, 95))
    print(
        f"  {name}: {len(apart)} frames, {len(values)} landmarks, median "
        f"{median:.2f} px, 95 % within {most:.2f} px"
    )


if __name__ == "__main__":
    config.run(main, define_flags)
