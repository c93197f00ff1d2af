"""Tests the requests and the figures in docs/serving.md.

`tests/export/test_serving_server.py` sends the requests to a smaller model.
"""

import contextlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from google.protobuf import text_format

from ampose_tf import weights
from ampose_tf.camera import normalize_screen
from ampose_tf.export import tf_serving
from ampose_tf.lifting.predictor import load_predictor
from tests import commands
from tests.commands import ROOT

pytest.importorskip(
    "tensorflow_serving", reason="tensorflow-serving-api is not installed"
)
from tensorflow_serving.config import model_server_config_pb2

from tests.export import serving_server

TEXT = (ROOT / "docs/serving.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.S)


@pytest.fixture
def configurations(tmp_path):
    """Returns the contents of an export's configuration files, by name."""
    written = tf_serving.write_configs(tmp_path / "serving", tmp_path)
    return {name: path.read_text() for name, path in written.items()}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Runs the export of the page in a clone, on less data."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("configs", "ampose_tf", "docs", "export.py"):
        (clone / name).symlink_to(ROOT / name)
    install, export = blocks("sh")[0].splitlines()
    assert install == "pip install -e '.[serving]'"
    ended = commands.run(
        export,
        clone,
        "--config.data.generated.frames=10",
        "--config.export.verification_poses=20",
    )
    assert ended.returncode == 0, ended.stderr
    return clone


def served_from(text, clone):
    """Returns a container's configuration, for paths outside of it."""
    text = text.replace("/models/ampose", f"{clone}/serving")
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


@pytest.fixture(scope="module")
def server(clone):
    config = (clone / "serving/models.config").read_text()
    with serving_server.Server(served_from(config, clone)) as server:
        yield server


def addressed(text, server):
    text = text.replace("localhost:8501", server.rest)
    return text.replace("localhost:8500", server.grpc)


@pytest.mark.slow
def test_the_folder_is_as_drawn(clone):
    drawn = TEXT[TEXT.index("    serving/models.config") :].split("\n\n")[0]
    folder = ""
    for line in drawn.splitlines():
        names = re.split(r"\s{2,}", line.strip())[0].split(", ")
        inside = line.startswith("        ")
        for name in names:
            assert (clone / (folder if inside else "") / name).exists(), name
        folder = folder if inside else names[0]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl(clone, server):
    predict, ready = blocks("sh")[1:]
    answers = []
    for command in (predict, *ready.splitlines()):
        ended = subprocess.run(
            ["bash", "-c", addressed(command, server)],
            cwd=clone,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        answers.append(json.loads(ended.stdout))
    lifted, states, metadata = answers
    # A person who stands: the head, joint 10, is above the feet.
    pose = np.array(lifted["predictions"])[0]
    assert pose.shape == (17, 3) and 1 < pose[3, 1] - pose[10, 1] < 2
    (state,) = states["model_version_status"]
    assert state["state"] == "AVAILABLE"
    assert (
        "lift_coco17" in metadata["metadata"]["signature_def"]["signature_def"]
    )


@pytest.mark.slow
def test_python(clone, server):
    program = {}
    with contextlib.chdir(clone):
        for block in blocks("python"):
            exec(addressed(block, server), program)
    with np.load(ROOT / "docs/walking.npz") as clip:
        pixels = clip["keypoints_px"][:8]
    predict = load_predictor(weights.AMPOSE_S)
    expected = predict(normalize_screen(pixels, (1920, 1080), "longest"))
    for name in ("by_rest", "by_grpc"):
        assert np.abs(program[name] - expected).max() < 1e-4, name


def test_going_back_to_a_version(configurations):
    (text,) = (text for text in blocks("text") if "model_config_list" in text)
    (model,) = served_from(text, "/x").model_config_list.config
    assert list(model.model_version_policy.specific.versions) == [1]
    model.ClearField("model_version_policy")
    written = configurations["models.config"]
    (other,) = served_from(written, "/x").model_config_list.config
    assert model == other
    said = re.search(r"model_version_policy \{.*\}", written)[0]
    assert said in text


def test_figures_are_those_of_the_configuration(configurations):
    written = configurations["batching.config"]
    sizes = re.findall(r"allowed_batch_sizes: (\d+)", written)
    assert f"{', '.join(sizes[:-1])} and {sizes[-1]}: the last" in TEXT
    assert "batch_timeout_micros { value: 1000 }" in written
    *first, last = map(str, tf_serving.WARM_UP_BATCHES)
    assert f"with {', '.join(first)} and {last} poses" in TEXT
    for option in ("model_config_file", "batching_parameters_file"):
        (path,) = set(re.findall(rf"--{option}=/models/ampose/(\S+)", TEXT))
        assert path in configurations


@pytest.mark.slow
def test_the_benchmark_runs():
    ended = commands.run(
        "python -m benchmarks.serving", ROOT, "--seconds=0.1", "--poses=1,3"
    )
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^\| 1 \| 3 \| [\d.]+ \| \d+ \| ", ended.stdout, re.M)
