import base64
import dataclasses
import hashlib
import html.parser
import io
import json
import pathlib
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api

from ampose_tf import reading
from ampose_tf.lifting import results
from ampose_tf.lifting.motion import Motion
from ampose_tf.lifting.viewers import scene, web
from ampose_tf.skeleton import H36M_17
from tests.lifting.filmed import film, only

PAGE = pathlib.Path(web.__file__).parent / "page"
HOSTILE = (
    "</script><script>window.broken = 1</script>"
    "<img src=x onerror=window.broken=1>\"'&<!--\u2028\u202e\x07"
)


def several():
    """Two people with roots, one of them with gaps, of an odd frame rate."""
    one = film(frames=30).motion
    other = film("Eating", 30, "S8", track_id=8).motion.tracks[0]
    seen, pixels = other.seen.copy(), other.keypoints_px.copy()
    seen[:, [12, 13]] = False
    pixels[:, 13] = np.nan
    other = other._replace(seen=seen, keypoints_px=pixels)
    other = only(other, [*range(5, 12), *range(15, 30)])
    return Motion((one.tracks[0], other), one.image_size, 25.0)


def content(path):
    """Returns what the page's program reads."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r'id="motion">(.*?)</script>', text, re.DOTALL)
    (text,) = found
    return json.loads(text)


def unpacked(packed, *shape):
    array = np.frombuffer(base64.b64decode(packed["data"]), packed["type"])
    array = array.reshape(-1, *shape)
    if packed["type"] == "int16":
        array = np.where(array == -32768, np.nan, array * packed["step"])
    return array


def test_the_page_holds_the_motion(tmp_path):
    motion = several()
    (path,) = motion.save(tmp_path / "clip.html")
    page = content(path)
    assert (page["fps"], page["first"], page["count"]) == (25, 0, 30)
    assert page["joints"] == list(H36M_17.joints)
    for person, stored in zip(
        scene.arrange(motion).people, page["people"], strict=True
    ):
        track = person.track
        assert stored["id"] == track.track_id
        frames = unpacked(stored["frames"])
        np.testing.assert_array_equal(frames, track.frames)
        hips = unpacked(stored["hips"], 1, 3)
        positions = hips + unpacked(stored["offsets"], 17, 3)
        # Half a step of 1/32767 of a person's reach.
        np.testing.assert_allclose(positions, person.positions, atol=2e-5)
        pixels = unpacked(stored["pixels"], 17, 2)
        np.testing.assert_allclose(pixels, track.keypoints_px, atol=0.02)
        seen = unpacked(stored["seen"], 17).astype(bool)
        np.testing.assert_array_equal(seen, track.seen)
        scores = unpacked(stored["scores"], 17)
        np.testing.assert_allclose(scores, track.scores, atol=2e-5)
    assert path.stat().st_size < 700_000


def test_what_is_assumed_stands_in_the_notes(tmp_path):
    track = film(frames=2).motion.tracks[0]._replace(root=None)
    motion = Motion((track,), (640, 480), notes=("First of all.",))
    (path,) = motion.save(tmp_path / "clip.html")
    first, rate, place = content(path)["notes"]
    assert first == "First of all."
    assert "30 frames per second" in rate and "side by side" in place


class Elements(html.parser.HTMLParser):
    """Counts elements, and collects what they would load."""

    def __init__(self):
        super().__init__()
        self.tags, self.loads = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [
            value for name, value in attrs if name in ("src", "href")
        ]


def hostile(tmp_path):
    """Saves a motion whose every text tries to be more than that."""
    motion = several()
    joints = tuple(
        HOSTILE if joint == "Head" else joint for joint in H36M_17.joints
    )
    motion = dataclasses.replace(
        motion,
        skeleton=dataclasses.replace(H36M_17, joints=joints),
        notes=(HOSTILE, "@title@ @three.min.js@"),
    )
    # No file name holds a slash.
    return motion.save(tmp_path / f"{HOSTILE.replace('/', '')}.html")[0]


def test_texts_of_strangers_stay_texts(tmp_path):
    plain, nasty = Elements(), Elements()
    (path,) = several().save(tmp_path / "clip.html")
    plain.feed(path.read_text(encoding="utf-8"))
    path = hostile(tmp_path)
    nasty.feed(path.read_text(encoding="utf-8"))
    assert nasty.tags == plain.tags
    assert plain.loads == nasty.loads == []
    page = content(path)
    assert page["joints"][10] == HOSTILE
    assert page["notes"] == [HOSTILE, "@title@ @three.min.js@"]


def test_a_strangers_result_does_nothing(tmp_path, tab):
    """From the file to the page: what is no text of a person is escaped."""
    several().save(tmp_path / "clip.json")
    result = json.loads((tmp_path / "clip.json").read_text())
    result["notes"] = [HOSTILE]
    result["provenance"] = {HOSTILE: HOSTILE}
    name = HOSTILE.replace("/", "")
    (tmp_path / f"{name}.json").write_text(json.dumps(result))
    motion = results.load(tmp_path / f"{name}.json")
    for ending in (".trc", ".bvh", ".csv", "_angles.csv"):
        (path,) = motion.save(tmp_path / f"{name}{ending}")[:1]
        text = path.read_text(encoding="utf-8")
        assert re.sub(r"[\t\n]", "", text).isprintable()
    motion.save(tmp_path / f"{name}.html")
    page, errors = tab
    page.goto((tmp_path / f"{name}.html").as_uri())
    assert page.evaluate("typeof window.broken") == "undefined"
    shown = page.locator("#notes li").first.text_content()
    assert shown == reading.escaped(HOSTILE)
    assert errors == []


def test_three_is_the_file_that_was_made():
    stated = (PAGE / "three.md").read_text(encoding="utf-8")
    digest = hashlib.sha256((PAGE / "three.min.js").read_bytes())
    assert f"sha256 {digest.hexdigest()}" in stated
    licence = (PAGE / "three.LICENSE").read_text(encoding="utf-8")
    assert "three.js authors" in licence


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Debian's Chromium is not installed: apt install chromium")
    with sync_api.sync_playwright() as playwright:
        # As root it has no sandbox; a machine for tests has no graphics card.
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--use-angle=swiftshader",
                "--enable-unsafe-swiftshader",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(browser):
    """Returns a page, and a list that collects what goes wrong in it."""
    errors = []

    def on_console(message):
        if message.type in ("error", "assert"):
            errors.append(message.text)

    def on_request(request):
        # Anything that is asked for beside the file itself.
        if not request.url.startswith(("file:", "data:", "blob:")):
            errors.append(f"asked for {request.url}")

    page = browser.new_page(viewport={"width": 1000, "height": 600})
    page.on("console", on_console)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", on_request)
    yield page, errors
    page.close()


def test_the_page_plays_and_names_joints(tmp_path, tab):
    (path,) = several().save(tmp_path / "clip.html")
    page, errors = tab
    page.goto(path.as_uri())
    clock, tip = page.locator("#clock"), page.locator("#tip")
    assert page.title() == "clip"
    assert clock.text_content() == "frame 0, 0.00 s"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert clock.text_content() == "frame 2, 0.08 s"
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert clock.text_content() == "frame 28, 1.12 s"
    # Both panels name the joint under the mouse, and where it is.
    page.keyboard.press("Home")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    for panel in ("stage", "image"):
        x, y = page.evaluate(
            f"""(() => {{
                const panel = viewer.{panel};
                const [person, row] = viewer.motion.present(6)[1];
                const {{ left, top }} = panel.canvas.getBoundingClientRect();
                const [x, y] = panel.onScreen(person, row, 3);
                return [left + x, top + y];
            }})()"""
        )
        page.mouse.move(5, 5)
        assert tip.is_hidden()
        page.mouse.move(x, y)
        assert tip.is_visible()
        text = tip.text_content()
        assert text.startswith("person 8: RFoot\nseen, score 0.90\n")
        # The second person's sixth frame is the track's second row.
        right, away, up = np.subtract(
            *scene.arrange(several()).people[1].positions[1, [3, 0]]
        )
        place = f"{right:+.2f} right, {up:+.2f} up, {away:+.2f} away"
        assert f"from the hip: {place}".replace("-", "−") in text
    assert errors == []


def test_the_page_plays_by_the_clock(tmp_path, tab):
    (path,) = several().save(tmp_path / "clip.html")
    page, errors = tab
    page.goto(path.as_uri())
    start = page.evaluate("performance.now()")
    page.keyboard.press(" ")
    index = seconds = 0
    while index < 15 and seconds < 5:
        index, now = page.evaluate("[viewer.index, performance.now()]")
        seconds = (now - start) / 1000
    # 0.6 s at 25 a second; the picture after may be late.
    assert 0.55 < seconds < 5
    assert page.evaluate("viewer.playing")
    assert errors == []


@pytest.mark.parametrize("size", [(1000, 600), (390, 780)], ids=str)
def test_the_page_shows_people_in_their_colours(tmp_path, tab, size):
    (path,) = several().save(tmp_path / "clip.html")
    page, errors = tab
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    page.goto(path.as_uri())
    # Nothing is wider than the window.
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for panel in ("stage", "image"):
        shown = page.locator(f"#{panel} canvas").screenshot()
        pixels = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"))
        red, green, blue = np.moveaxis(pixels.astype(float), -1, 0)
        # The first person's bones, and joints of both sides.
        counts = {
            "green": np.sum((green > 1.3 * red) & (green > 1.2 * blue)),
            "orange": np.sum((red > 1.5 * green) & (green > 1.5 * blue)),
            "blue": np.sum((blue > 1.3 * green) & (green > 1.2 * red)),
        }
        assert min(counts.values()) > 40, (panel, counts)
    assert errors == []


def coloured(frame, colour, longest):
    """Returns the picture of a video: all of one colour."""
    height = longest * 9 // 16
    return frame, np.full((height, longest, 3), colour, np.uint8)


def test_the_videos_pictures_are_behind_the_keypoints(tmp_path, tab):
    """Red from frame 0 on, green from frame 10 on, where the next one is."""

    def pictures(longest):
        assert longest == 320
        yield coloured(0, (255, 0, 0), longest)
        yield coloured(10, (0, 128, 0), longest)

    path = tmp_path / "clip.html"
    web.write(path, several(), pictures)
    page, errors = tab
    page.goto(path.as_uri())
    page.wait_for_function(
        "viewer.image.pictures.every(({ image }) => image.complete)"
    )
    for frame, colour in (
        (0, (255, 0, 0)),
        (9, (255, 0, 0)),
        (10, (0, 128, 0)),
    ):
        page.evaluate(f"viewer.image.show({frame})")
        shown = page.locator("#image canvas").screenshot()
        pixels = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"))
        near = (np.abs(pixels.astype(int) - colour) < 12).all(axis=2)
        # As wide as the panel, but for the space around it.
        across = np.flatnonzero(near.any(axis=0))
        assert np.ptp(across) > 0.7 * near.shape[1], frame
        assert near.mean() > 0.2, frame
    assert errors == []


def test_texts_of_strangers_do_nothing(tmp_path, tab):
    path = hostile(tmp_path)
    page, errors = tab
    page.goto(path.as_uri())
    assert page.title() == reading.escaped(HOSTILE.replace("/", ""))
    assert page.evaluate("typeof window.broken") == "undefined"
    assert page.locator("#notes li").first.text_content() == HOSTILE
    assert page.locator("img").count() == 0
    assert errors == []
    # And nothing can be fetched, even by a program in the page.
    refused = page.evaluate(
        "fetch('https://example.org').then(() => false, () => true)"
    )
    assert refused
    assert errors
    for error in errors:
        assert "Content Security Policy" in error


def test_a_page_that_fails_ends_the_videos_decoder():
    ended = []

    def pictures(longest):
        try:
            yield 0, np.zeros((3, 0, 3), np.uint8)  # No image at all.
        finally:
            ended.append(True)

    with pytest.raises((SystemError, ValueError)) as raised:
        web._small(pictures)
    assert raised.tb is not None and ended == [True]
