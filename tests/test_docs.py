"""The pages: the site builds, links lead somewhere, mobile.md is right.

tests/test_scripts.py runs the code of all other pages, see tests/pages.py.
"""

import contextlib
import html.parser
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import ampose_tf
from ampose_tf import data, evaluation, lifting, weights
from ampose_tf.camera import normalize_screen
from ampose_tf.conversion import COCO_17, MEDIAPIPE_33, MOVENET_17
from ampose_tf.export import runtime, signatures
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.models import stored
from tests import commands, pages
from tests.commands import ROOT

PAGE = ROOT / "docs/mobile.md"
TEXT = pages.text(PAGE)
PROCESSORS = pages.text(ROOT / "docs/processors.md")
OF_PIXELS = weights.AMPOSE_S.with_name("ampose_s_float16_lift_coco17.tflite")
LANGUAGES = ("kotlin", "swift", "js", "python")

# MoveNet's y, x and score of a person, in a square of bars and image.
MOVENET = np.random.default_rng(3).uniform(0.3, 0.7, (17, 3))
MOVENET[9, 2] = 0.1  # the left wrist


def snippet(language):
    (found,) = pages.blocks(PAGE, language)
    return found.code


def rows_below(heading, text=TEXT):
    """Cells of the table whose first cell is the heading."""
    table = text[text.index(f"| {heading} |") :].split("\n\n")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()[2:]
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A clone in which the page's commands have run, on less data."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("configs", "ampose_tf", "export.py", "lift.py"):
        (clone / name).symlink_to(ROOT / name)
    np.save(clone / "movenet.npy", MOVENET[None, None].astype(np.float32))
    clip = np.tile(MOVENET * (1280, 720, 1), (4, 1, 1))[..., [1, 0, 2]]
    np.save(clone / "clip.npy", clip)
    lines = pages.commands(PAGE)
    assert len(lines) == 3
    for line in lines:
        short = []
        if "export.py" in line:
            short = [
                "--formats=float16",
                "--config.data.generated.frames=10",
                "--config.export.verification_poses=20",
            ]
        ended = commands.run(line, clone, *short)
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
    return clone


@pytest.fixture(scope="module")
def shapes():
    """Shapes by name of what `lift_coco17` of ampose_s takes and gives."""
    (known,) = runtime.signature_shapes(OF_PIXELS).values()
    return known["inputs"] | known["outputs"]


def test_the_table_of_signatures_is_the_files(folder):
    model = stored.load(weights.AMPOSE_S)
    ends = signatures.endpoints(model, None, signatures.SIGNATURES, 1)
    expected = {
        name: {spec.name: spec.shape.as_list() for spec in specs}
        for name, (_, specs) in ends.items()
    }
    released = weights.AMPOSE_S.with_name("ampose_s_float32.tflite")
    exported = folder / "phone/ampose_float16_lift_pixels.tflite"
    for path in (released, OF_PIXELS, exported):
        for name, known in runtime.signature_shapes(path).items():
            assert known["inputs"] == expected[name]
            assert known["outputs"] == {"poses_3d": [1, 17, 3]}
    said = {
        name.strip("`"): {
            tensor: json.loads(shape)
            for tensor, shape in re.findall(r"`(\w+)` (\[[^]]+\])", inputs)
        }
        for name, inputs, _ in rows_below("signature")
    }
    assert said == expected
    assert "All return `poses_3d` [1, 17, 3]." in TEXT


@pytest.mark.parametrize("language", LANGUAGES)
def test_snippets_address_what_the_file_has(language, shapes):
    code = snippet(language)
    said = {}
    for line in code.splitlines():
        names = [n for n in shapes if re.search(rf"\b{n}\b", line)]
        for shape in re.findall(r"\[\d+(?:, \d+)+\]", line):
            for name in names:
                said[name] = json.loads(shape)
    assert said == shapes
    assert set(re.findall(r"[\"'](lift\w*)[\"']", code)) == {"lift_coco17"}
    if language in ("kotlin", "swift"):
        literals = set(re.findall(r'"([^"]*)"', code))
        assert literals == {*shapes, "lift_coco17"}


def test_indices_are_those_of_the_conversions():
    assert MOVENET_17.joints == COCO_17.joints
    indices = [MEDIAPIPE_33.joints.index(joint) for joint in COCO_17.joints]
    said = {}
    for row in rows_below("COCO"):
        for coco, mediapipe in (row[:2], row[2:]):
            if coco:
                said[coco] = int(mediapipe)
    assert said == {
        f"{i} {joint}": indices[i] for i, joint in enumerate(COCO_17.joints)
    }
    for language in ("kotlin", "swift", "js"):
        (listed,) = re.findall(
            r"coco = (?:intArrayOf\()?\[?([\d, ]+)", snippet(language), re.I
        )
        assert [int(index) for index in listed.split(",")] == indices


def test_the_python_snippet_computes_what_the_package_does(folder):
    program = {}
    with contextlib.chdir(folder):
        exec(snippet("python"), program)
    y, x, score = MOVENET.T
    # 1280 pixels of square, of which 280 left and right are bars.
    pixels = np.stack([1280 * x - 280, 1280 * y], axis=-1)[None]
    keypoints_2d = normalize_screen(COCO_17.convert(pixels), (720, 1280))
    seen = COCO_17.convert_scores(score[None]) >= 0.3
    assert seen.sum() == 16
    expected = load_predictor(weights.AMPOSE_S)(
        keypoints_2d.astype(np.float32), seen
    )
    lifted = program["poses_3d"]
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(lifted, expected, atol=2e-3)


def test_what_the_javascript_makes_of_detectors():
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    landmarks = np.random.default_rng(4).uniform(0, 1, (33, 3))
    names = ("x", "y", "visibility")
    given = [dict(zip(names, landmark, strict=True)) for landmark in landmarks]
    code = re.sub(r"import .*\n|const loaded.*\n", "", snippet("js"), count=2)
    code += (
        f"const output = {MOVENET.ravel().tolist()};\n"
        f"const landmarks = {json.dumps(given)};\n"
        "const rectangle = {left: 5, top: -7, width: 300, height: 200};\n"
        "console.log(JSON.stringify([fromMoveNet(output, rectangle),"
        " fromMediaPipe(landmarks, 300, 200)]));\n"
    )
    printed = subprocess.run(
        ["node", "--input-type=module"],
        input=code,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    movenet, mediapipe = json.loads(printed)
    pixels = MOVENET[:, [1, 0]] * (300, 200) + (5, -7)
    np.testing.assert_allclose(movenet["keypointsPx"], pixels.ravel())
    assert movenet["scores"] == MOVENET[:, 2].tolist()
    index = [MEDIAPIPE_33.joints.index(joint) for joint in COCO_17.joints]
    pixels = landmarks[index, :2] * (300, 200)
    np.testing.assert_allclose(mediapipe["keypointsPx"], pixels.ravel())
    assert mediapipe["scores"] == landmarks[index, 2].tolist()


def test_the_table_of_files_is_what_they_say_of_themselves():
    rows = rows_below("file", PROCESSORS)
    assert len(rows) == 6
    for name, size, mean, largest, needed in rows:
        path = weights.AMPOSE_S.with_name(f"{name.strip('`')}.tflite")
        measured = runtime.metadata(path)["measured"]
        assert size == f"{path.stat().st_size / 1e6:.2f}"
        assert mean == f"{measured['mean_mm']:.3f}"
        assert largest == f"{measured['max_mm']:.2f}"
        tables = runtime.tables(path)
        (stored_version,) = (
            bytes(tables.buffers[entry.buffer].data)
            for entry in tables.metadata
            if entry.name == b"min_runtime_version"
        )
        version = stored_version.rstrip(b"\0").decode()
        assert f"{needed}.0" == version


def test_the_table_of_float16_is_what_the_files_say():
    rows = rows_below("in float16", PROCESSORS)
    assert len(rows) == 4
    for name, mean, worst in rows:
        stem, signature = re.findall(r"`(\w+)`", name)
        suffix = "" if signature == "lift" else f"_{signature}"
        for format in ("float32", "float16"):
            path = weights.AMPOSE_S.with_name(
                f"{stem}_{format}{suffix}.tflite"
            )
            measured = runtime.metadata(path)["measured"]
            changed = measured["float16_arithmetic"][signature]
            assert mean == f"{changed['mean_mm']:.2f}"
            assert worst == f"{changed['worst_pose_mm']:.2f}"
            assert changed["overflows"] == 0


def test_axes_of_engines():
    """Down goes down, away away, and hands stay hands."""
    # Of each engine: up, away from the camera, its handedness.
    known = {
        "three.js, SceneKit, RealityKit, Filament": ([0, 1, 0], [0, 0, -1], 1),
        "Unity": ([0, 1, 0], [0, 0, 1], -1),
        "Unreal": ([0, 0, 100], [100, 0, 0], -1),
    }
    rows = rows_below("engine")
    assert [row[0] for row in rows] == list(known)
    for name, _, position in rows:
        matrix = np.zeros((3, 3))
        for row, term in enumerate(position.strip("()").split(",")):
            sign, factor, axis = re.fullmatch(
                r"(-?)(\d*)([xyz])", term.replace(" ", "")
            ).groups()
            value = float(factor or 1) * (-1 if sign else 1)
            matrix[row, "xyz".index(axis)] = value
        up, away, hand = known[name]
        np.testing.assert_array_equal(matrix @ [0, -1, 0], up)
        np.testing.assert_array_equal(matrix @ [0, 0, 1], away)
        assert np.sign(np.linalg.det(matrix)) == hand


def anchors(text):
    """Returns the fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
    kept = (re.sub(r"[^\w\- ]", "", heading) for heading in headings)
    return {heading.lower().replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = pages.text(page)
    for link in re.findall(r"\]\(\s*([^)\s]+)", text):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), link
        if anchor and path.name != "api.md":
            assert anchor in anchors(pages.text(path)), link
        # The site holds docs/ alone.
        assert page == pages.README or path.parent == page.parent, link


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_paths_in_the_text_exist(page):
    text = re.sub(r"```.*?```", "", pages.text(page), flags=re.S)
    for path in re.findall(
        r"`((?:(?:ampose_tf|benchmarks|configs|tests|web)/[\w./]+)|[A-Z]+\.md)`",
        text,
    ):
        if not path.startswith("web/dist"):  # Built by make web.
            assert (ROOT / path).exists(), path


def test_readme_is_one_screen():
    words = pages.text(pages.README).split()
    assert len(words) <= 900


class _Loaded(html.parser.HTMLParser):
    """What a browser loads for a page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag == "link" and named.get("rel") != "canonical":
            self.addresses.append(named["href"])
        self.addresses += [named[n] for n in ("src",) if named.get(n)]


def test_the_site_builds_and_asks_no_other_server(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"]
        + ["--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    assert {p.with_suffix(".html").name for p in pages.PAGES[1:]} <= {
        p.name for p in tmp_path.glob("*.html")
    }
    for path in tmp_path.glob("*.html"):
        loaded = _Loaded()
        loaded.feed(path.read_text(encoding="utf-8"))
        assert len(loaded.addresses) >= 3
        for address in loaded.addresses:
            assert "//" not in address, address
    for path in tmp_path.rglob("*.css"):
        assert not re.search(r"@import|url\(\W?http", path.read_text()), path


def test_the_api_page_has_every_public_name():
    shown = re.findall(
        r"^::: (\S+)$", pages.text(ROOT / "docs/api.md"), flags=re.M
    )
    assert len(set(shown)) == len(shown)
    names = set(ampose_tf.__all__)
    assert {f"ampose_tf.{name}" for name in names} <= set(shown)
    for room in (lifting, evaluation, data):
        own = {name for name in room.__all__ if name not in names}
        assert {f"{room.__name__}.{name}" for name in own} <= set(shown)
