"""The commands and tables of docs/kserve.md."""

import json
import re
import subprocess

import numpy as np

from ampose_tf.lifting.keypoints import SKELETONS
from ampose_tf.serving.limits import Limits
from tests.serving.conftest import ROOT

TEXT = (ROOT / "docs/kserve.md").read_text(encoding="utf-8")


def blocks(language, served):
    """Returns blocks of the page, with other ports and another model."""
    return [
        block.replace("ampose_s", "ampose_t")
        .replace("localhost:8080", f"127.0.0.1:{served.port}")
        .replace("localhost:8081", f"127.0.0.1:{served.grpc_port}")
        .replace("(64,", "(61,")
        .replace("((64", "((61")
        for block in re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    ]


def test_the_command_is_the_one_that_the_tests_run(served):
    start, _ = blocks("sh", served)
    given = start.split()
    assert given[:4] == [
        "python",
        "-m",
        "ampose_tf.serving",
        "--model=ampose_t",
    ]
    assert set(given[:4]) - {"python"} <= set(served.process.args)


def test_curl(served):
    _, curl = blocks("sh", served)
    ended = subprocess.run(
        ["sh", "-c", curl], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    (pose,) = np.array([pose["poses_3d"] for pose in answer["predictions"]])
    # The person is upright: the head is above the feet, and y points down.
    head, foot = (
        answer["joint_names"].index(joint) for joint in ("Head", "RFoot")
    )
    assert 1 < pose[foot, 1] - pose[head, 1] < 2


def test_both_clients_in_python_get_the_same_poses(served):
    found = []
    for block in blocks("python", served):
        names = {}
        exec(compile(block, "docs/kserve.md", "exec"), names)
        found.append(names["poses_3d"])
    rest, rpc = found
    assert rest.shape == (61, 17, 3)
    # One of them rounds pixels to float32.
    np.testing.assert_allclose(rest, rpc, atol=1e-4)


def test_the_tables_are_the_servers():
    for name in SKELETONS:
        assert name in TEXT
    for name, value in (
        ("max_body_bytes", f"{Limits().max_body_bytes >> 20} MiB"),
        ("max_poses", f"{Limits().max_poses:,}"),
        ("max_waiting_poses", f"{Limits().max_waiting_poses:,}"),
        ("max_connections", f"{Limits().max_connections:,}"),
        ("request_seconds", f"{Limits().request_seconds:g}"),
    ):
        assert re.search(rf"`--{name}`[^|]*\| {value} \|", TEXT), name
