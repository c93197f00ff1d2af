"""The built page: offline, by itself, by keyboard, in any size and theme."""

import json
import re

import pytest

from tests.web.conftest import DIST, hosted

HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"


def show_example(page):
    page.click("#welcome [data-does=example]")
    page.wait_for_selector("body[data-mode=clip]")


def test_the_page_works_offline_after_the_first_load(site, visit):
    """`site` says whether there is a page."""
    with hosted() as address:
        page = visit(address=address)
        page.wait_for_selector("body[data-kept]")
    # The host is gone.
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    show_example(page)
    assert page.inner_text("#status") == "example.json: 100 poses."
    # With a network that was not used before.
    page.evaluate("document.querySelector('[value=ampose_t]').click()")
    page.locator("#status", has_text="100 poses").wait_for()


def test_the_policy_admits_no_script_but_the_pages(visit):
    page = visit()
    (policy,) = page.locator(
        "meta[http-equiv=Content-Security-Policy]"
    ).evaluate_all("found => found.map(one => one.content)")
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy
    assert not re.search(r"https?:|\*|'unsafe-eval'", policy)
    served = page.evaluate(
        "fetch('index.html')"
        ".then(response => response.headers.get('Content-Security-Policy'))"
    )
    assert served == f"{policy}; frame-ancestors 'self'"
    assert served in (DIST / "_headers").read_text()
    inline = r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+="
    assert not re.search(inline, (DIST / "index.html").read_text())


@pytest.mark.usefixtures("site")
def test_licences_of_what_is_in_the_page_go_with_it():
    text = (DIST / "assets/licences.txt").read_text()
    for part in (
        "three.js authors",
        "LiteRT",
        "MediaPipe",
        "XNNPACK",
        "Apache License",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("processors", "said"), [(1, "one thread"), (3, "2 threads")]
)
def test_threads_are_as_many_as_processors_allow(visit, processors, said):
    """The service worker isolates the page, which it takes one reload for."""
    page = visit(
        script="Object.defineProperty(Navigator.prototype, "
        f"'hardwareConcurrency', {{get: () => {processors}}})"
    )
    assert page.evaluate("crossOriginIsolated") == (processors > 1)
    assert said in page.text_content("#backend")
    show_example(page)


def test_the_keyboard_is_enough(visit):
    page = visit()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll(
            'button, input, select, canvas:not([aria-hidden])'
        )].filter(one => !(
            one.getAttribute('aria-label') || one.textContent.trim() ||
            one.labels?.length
        )).map(one => one.outerHTML)"""
    )
    assert nameless == []
    show_example(page)
    press, clock = page.keyboard.press, page.locator("#clock")
    page.locator("body").evaluate("body => document.activeElement.blur()")
    press("Space")
    assert page.get_attribute("#play", "aria-label") == "Play"
    before = clock.inner_text()
    press("ArrowRight")
    assert float(clock.inner_text()[:-2]) == pytest.approx(
        float(before[:-2]) + 0.02, abs=0.011
    )
    for key, view in (
        ("2", "front"),
        ("3", "side"),
        ("4", "top"),
        ("1", "half"),
    ):
        press(key)
        assert (
            page.get_attribute(f"[data-view={view}]", "aria-pressed") == "true"
        )
    # The 3D view turns by arrows, and the clip stays where it is.
    page.focus("#stage")
    now = clock.inner_text()
    press("ArrowLeft")
    assert clock.inner_text() == now
    assert page.locator("[data-view][aria-pressed=true]").count() == 0
    theme = page.evaluate("document.documentElement.dataset.theme")
    press("t")
    assert page.evaluate("document.documentElement.dataset.theme") != theme
    # Everything is reached by the tab key, in the page's order.
    reached = []
    page.focus("#theme")
    for _ in range(14):
        press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id"
                " || document.activeElement.dataset.view"
            )
        )
    for name in (
        "settings-open",
        "stage",
        "half",
        "top",
        "camera",
        "open",
        "stop",
        "download",
        "play",
        "seek",
    ):
        assert name in reached
    page.focus("#settings-open")
    press("Enter")
    assert page.locator("#settings").is_visible()
    press("Escape")
    assert not page.locator("#settings").is_visible()
    press("s")
    assert page.locator("#welcome").is_visible()


def test_the_page_fits_one_screen(visit):
    page = visit()
    show_example(page)
    for width, height in ((1280, 760), (360, 640), (390, 844), (844, 390)):
        page.set_viewport_size({"width": width, "height": height})
        outside = page.evaluate(
            """() => [...document.querySelectorAll(
                'button, #stage, #overlay, #status, #error, #angles article'
            )]
            .filter(one => one.checkVisibility() && !one.closest('[popover]'))
            .filter(one => {
                const box = one.getBoundingClientRect();
                return box.left < 0 || box.top < 0 ||
                    box.right > innerWidth + 0.5 ||
                    box.bottom > innerHeight + 0.5;
            }).map(one => one.outerHTML)"""
        )
        assert outside == []
        for panel in ("#image", "#room"):
            box = page.locator(panel).bounding_box()
            assert min(box["width"], box["height"]) > 100


def test_the_theme_is_the_systems_until_it_is_switched(visit):
    page = visit(color_scheme="light")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light"
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("[data-theme=dark]")
    page.click("#theme")
    assert page.evaluate(theme) == "light"
    page.reload()
    page.wait_for_selector("[data-theme=light]")


def test_settings_are_kept(visit):
    page = visit()
    page.evaluate(
        "for (const one of ['lite', 'ampose_t'])"
        "    document.querySelector(`[value=${one}]`).click();"
        "document.getElementById('smooth').click()"
    )
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.is_checked("[value=lite]") and page.is_checked(
        "[value=ampose_t]"
    )
    assert not page.is_checked("#smooth") and page.is_disabled("#cutoff")


def test_a_network_that_cannot_be_loaded_is_not_chosen(visit):
    """The page goes on with the one before, and with the clip."""
    page = visit(service_workers="block")
    show_example(page)
    page.route("**/ampose_t.tflite", lambda route: route.fulfill(body="x"))
    page.evaluate("document.querySelector('[value=ampose_t]').click()")
    page.locator("#error", has_text="cannot be loaded").wait_for()
    assert page.is_checked("[value=ampose_s]")
    assert page.get_attribute("body", "data-mode") == "clip"
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.is_checked("[value=ampose_s]")
    show_example(page)


def test_texts_of_strangers_stay_texts(visit, tmp_path):
    page = visit()
    show_example(page)
    with page.expect_download() as download:
        page.click("#download")
    result = json.loads(download.value.path().read_text())
    result["notes"] = [HOSTILE]
    path = tmp_path / f"{HOSTILE.replace('/', '')}.json"
    path.write_text(json.dumps(result))
    page.set_input_files("#file", path)
    page.locator("#status", has_text="onerror").wait_for()
    assert page.text_content("#notes") == HOSTILE
    assert HOSTILE.replace("/", "") in page.inner_text("#status")
    result["units"] = HOSTILE
    path.write_text(json.dumps(result))
    page.set_input_files("#file", path)
    page.locator("#error").wait_for()
    assert "units: expected" in page.inner_text("#error")
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "AMPose: 3D pose from one camera"


def test_a_bad_file_is_one_line(visit, tmp_path):
    page = visit()
    show_example(page)
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    for name, content, message in (
        ("html.json", b"<!doctype html>", "it is not JSON"),
        ("empty.json", b"[]", "it contains no person"),
        ("nested.json", b"[" * 100_000, "it is not JSON"),
        ("deep.json", b"[" * 100_000 + b"]" * 100_000, "got a list of 1"),
        ("large.json", None, "more than 64 MiB"),
        ("html.mp4", b"<!doctype html>", "this browser cannot play the file"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        page.set_input_files("#file", path)
        page.locator("#error", has_text=name).wait_for()
        assert message in page.inner_text("#error")
        assert len(page.inner_text("#error")) < 300
        # What there was before is there again.
        assert page.locator("#timeline").is_visible()
        assert page.is_enabled("#download")
    page.click("#stop")
    assert page.locator("#welcome").is_visible()
    show_example(page)


def test_webgpu_has_to_be_exact_and_faster(visit):
    """Played by a processor, it is exact and slower, and so is not used."""
    page = visit(
        "--enable-unsafe-webgpu",
        "--enable-features=Vulkan,WebGPU",
        "--use-webgpu-adapter=swiftshader",
        "--use-vulkan=swiftshader",
        script="Object.defineProperty(Navigator.prototype, "
        "'hardwareConcurrency', {get: () => 1})",
    )
    said = page.text_content("#backend")
    assert "one thread (WebGPU takes " in said
    show_example(page)
