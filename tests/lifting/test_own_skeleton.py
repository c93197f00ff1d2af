"""Skeletons that users describe in files."""

import json

import numpy as np
import pytest

from ampose_tf.conversion import CONVERSIONS
from ampose_tf.lifting import own_skeleton
from ampose_tf.skeleton import H36M_17


def described():
    """A skeleton of one's own, as its file has it."""
    mpii = CONVERSIONS["MPII-16"]
    return {
        "name": "my markers",
        "joints": list(mpii.joints),
        "sides": [list(pair) for pair in mpii.sides],
        "weights": {
            joint: dict(weights) for joint, weights in mpii.weights.items()
        },
    }


def test_a_skeleton_of_ones_own_is_loaded(tmp_path):
    path = tmp_path / "own.json"
    value = described()
    # Rounded, negative, and in an order of its own.
    value["weights"]["Spine"] = {"pelvis": 0.333, "thorax": 0.666}
    value["weights"]["Head"] = {"upper_neck": 2, "thorax": -1}
    value["weights"] = dict(reversed(value["weights"].items()))
    path.write_text(json.dumps(value))
    own = own_skeleton.load(path)

    assert own.name == "my markers"
    assert own.joints == CONVERSIONS["MPII-16"].joints
    assert own.mirrored == CONVERSIONS["MPII-16"].mirrored
    np.testing.assert_allclose(own.matrix.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        own.matrix[H36M_17.joints.index("Spine"), own.joints.index("pelvis")],
        1 / 3,
    )
    assert (
        own.matrix[H36M_17.joints.index("Head"), own.joints.index("thorax")]
        == -1
    )


def test_alternatives_of_ones_own_are_taken_in_order(tmp_path):
    path = tmp_path / "own.json"
    value = described()
    value["weights"]["Head"] = [{"head_top": 1}, {"upper_neck": 1.005}]
    path.write_text(json.dumps(value))
    own = own_skeleton.load(path)

    joints = np.arange(16.0)[:, None] * [1, 2]
    scores = np.ones(16)
    head, top, neck = H36M_17.joints.index("Head"), 9, 8
    assert own.convert(joints, scores)[head].tolist() == [top, 2 * top]
    scores[top] = 0.2
    assert own.convert(joints, scores)[head].tolist() == [neck, 2 * neck]
    assert own.convert_scores(scores)[head] == 1


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        ((), [], "with exactly the fields name, joints, sides, weights"),
        (("extra",), 1, "exactly the fields"),
        (("name",), "COCO-17", "name: expected a string that is not"),
        (("name",), "a\nb", "name: expected a string"),
        (("joints",), [], "joints: expected 1 to 200 different"),
        (("weights", "Hip"), [], "Hip: expected 1 to 50 alternatives"),
        (("weights", "Hip"), [3], "Hip: expected {joint: weight}"),
        (("joints", 3), "pelvis", "different names"),
        (("joints", 3), 5, "joints: expected"),
        (("sides",), 3, "sides: expected pairs"),
        (("sides", 0), ["left_hip"], "sides: expected pairs of joints, got"),
        (("sides", 0), ["left_hip", "tail"], "sides: expected pairs"),
        (("sides", 0), ["left_knee", "right_hip"], "in at most one pair"),
        (("weights",), {}, "weights: expected an object with exactly Hip"),
        (("weights", "Tail"), {"pelvis": 1}, "check 'Tail'"),
        (("weights", "Hip"), {}, "weights: Hip: expected {joint: weight}"),
        (("weights", "Hip"), {"tail": 1}, "Hip: unknown joint 'tail'"),
        (("weights", "Hip"), {"pelvis": "1"}, "Hip: pelvis: expected a num"),
        (("weights", "Hip"), {"pelvis": float("nan")}, "from -10 to 10"),
        (("weights", "Hip"), {"pelvis": 0.9}, "a sum of 1, got 0.9"),
        (
            ("weights", "LKnee"),
            {"right_knee": 1},
            "LKnee is computed from right_knee",
        ),
    ],
)
def test_another_skeleton_is_refused(tmp_path, keys, value, message):
    changed = described()
    inner = changed
    for key in keys[:-1]:
        inner = inner[key]
    if keys:
        inner[keys[-1]] = value
    else:
        changed = value
    path = tmp_path / "own.json"
    path.write_text(json.dumps(changed))
    with pytest.raises(ValueError) as error:
        own_skeleton.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        (b"\xff\xff", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        (
            '{"name": "a", "name": "b"}',
            "an object contains the same name twice",
        ),
        (" " * 2**20 + "{}", "larger than 1048576 bytes"),
    ],
)
def test_another_file_is_refused(tmp_path, text, message):
    path = tmp_path / "own.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        own_skeleton.load(path)
    with pytest.raises(OSError):
        own_skeleton.load(tmp_path / "missing.json")
