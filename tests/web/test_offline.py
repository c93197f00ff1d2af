"""The service worker: without a network, and from version to version."""

import shutil

import pytest

from tests.web.conftest import DIST, hosted


@pytest.fixture
def another(site, tmp_path):
    """Returns the folder of another version, whose code has other names.

    `site` says whether there is a page.
    """
    folder = tmp_path / "another"
    shutil.copytree(DIST, folder)
    (code,) = folder.glob("code/index-*.js")
    code.rename(code.with_name("index-another.js"))
    for name in ("index.html", "sw.js"):
        path = folder / name
        text = path.read_text(encoding="utf-8")
        changed = text.replace(code.name, "index-another.js").replace(
            'const VERSION = "', 'const VERSION = "another-'
        )
        assert changed != text
        path.write_text(changed, encoding="utf-8")
    return folder


def test_a_new_version_takes_over(visit, another):
    """On a host that lets browsers keep files for a while."""
    folders = {"/page/": DIST}
    with hosted(folders, {"Cache-Control": "max-age=600"}) as address:
        page = visit(address=f"{address}index.html")
        page.wait_for_selector("body[data-kept]")
        assert page.locator("#renew").is_hidden()
        folders["/page/"] = another
        # As a browser does now and then by itself.
        page.evaluate(
            """async () => {
                const {serviceWorker} = navigator;
                await (await serviceWorker.getRegistration()).update();
            }"""
        )
        page.locator("#renew").wait_for()
        # What the browser itself has kept of the version before is lost.
        page.context.new_cdp_session(page).send("Network.clearBrowserCache")
        page.click("#renew")
        page.wait_for_selector(
            "script[src*=another]", state="attached", timeout=40_000
        )
        page.wait_for_selector("body[data-kept]")
        (name,) = page.evaluate("caches.keys()")
        assert " another-" in name
    # The host is gone.
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.locator("script[src*=another]").count() == 1


def test_folders_of_a_host_leave_each_other_alone(visit, another):
    folders = {"/one/": DIST, "/two/": another}
    with hosted(folders) as address:
        page = visit(address=address)
        page.wait_for_selector("body[data-kept]")
        page.goto(address.replace("/one/", "/two/"))
        page.wait_for_selector("body[data-kept]")
    for path in ("/one/", "/two/"):
        page.goto(address.replace("/one/", path))
        page.wait_for_selector("body[data-ready]")
