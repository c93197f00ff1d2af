"""Contents of requests, and messages for those that are malformed."""

import copy
import tracemalloc

import numpy as np
import pytest
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import (
    InferInput,
    InferRequest,
    RequestedOutput,
)

from ampose_tf.conversion import COCO_17
from ampose_tf.lifting.keypoints import SKELETONS, convert
from ampose_tf.serving import messages
from ampose_tf.serving.limits import Limits, Refused, check_name
from benchmarks.pose_requests import instances
from tests.serving.conftest import people

PIXELS, SCORES = people(3, 17)


def read(changed):
    return messages.read_v1(changed, max_poses=5, seen_score=0.3)


def body():
    return {"instances": instances(PIXELS, SCORES)}


def tensor(name, array, datatype="FP32"):
    return InferInput(name, list(array.shape), datatype, array.tolist())


def request(parameters=None, **changed):
    tensors = {
        "pixels": tensor("pixels", PIXELS),
        "scores": tensor("scores", SCORES),
        "image_size": tensor("image_size", np.array([1000, 900]), "INT32"),
    } | changed
    return InferRequest(
        "ampose_s",
        [each for each in tensors.values() if each is not None],
        parameters={"skeleton": "COCO-17"}
        if parameters is None
        else parameters,
    )


def read_v2(asked):
    return messages.read_v2(asked, max_poses=5, seen_score=0.3)


def test_both_protocols_are_read_the_same():
    pixels, scores = convert(PIXELS, SCORES, COCO_17)
    for asked in (read(body()), read_v2(request())):
        np.testing.assert_array_equal(asked.pixels, pixels)
        np.testing.assert_array_equal(asked.scores, scores)
        np.testing.assert_array_equal(asked.image_size, [[1000, 900]] * 3)
        assert asked.skeletons == ("COCO-17",)


def test_each_instance_may_have_another_skeleton_and_size():
    other = people(1, 33, seed=4)
    mixed = body()
    mixed["instances"].insert(
        1, instances(*other, "MediaPipe-33", (640, 480))[0]
    )
    asked = read(mixed)
    alone = read({"instances": mixed["instances"][1:2]})
    np.testing.assert_array_equal(asked.pixels[1], alone.pixels[0])
    np.testing.assert_array_equal(asked.pixels[2], read(body()).pixels[1])
    assert asked.image_size[1].tolist() == [640, 480]
    assert asked.skeletons == ("COCO-17", "MediaPipe-33")


def test_without_scores_everything_is_seen():
    plain = body()
    for instance in plain["instances"]:
        del instance["scores"]
    assert (read(plain).scores == 1).all()
    assert (read_v2(request(scores=None)).scores == 1).all()


def test_pixels_of_undetected_joints_are_arbitrary():
    scores = SCORES.copy()
    scores[1, 9] = 0
    pixels = PIXELS.copy()
    pixels[1, 9] = np.nan
    asked = read_v2(
        request(
            pixels=tensor("pixels", pixels), scores=tensor("scores", scores)
        )
    )
    assert np.isfinite(asked.pixels).all()


def change(where, value):
    def apply(content):
        target = content
        for key in where[:-1]:
            target = target[key]
        target[where[-1]] = value

    return apply


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("instances",), [], "at least one pose"),
        (("instances",), {}, "instances"),
        (("instances", 1), 3, "instances[1]: expected an object"),
        (("instances", 1, "score"), 3, "instances[1]: unknown key 'score'"),
        (("instances", 1, "skeleton"), "COCO", "'COCO'"),
        (("instances", 1, "skeleton"), ["COCO-17"], "COCO-17"),
        (("instances", 1, "skeleton"), "BODY_25", "length 25, got 17"),
        (("instances", 1, "pixels"), None, "[1].pixels: expected a list"),
        (("instances", 1, "pixels"), [], "length 17, got 0"),
        (("instances", 1, "pixels", 2), [1], "pixels[2]: expected a list of"),
        (
            ("instances", 1, "pixels", 2),
            ["1", "2"],
            "[1].pixels[2][0]: expected",
        ),
        (
            ("instances", 1, "pixels", 2),
            [True, None],
            "[2][0]: expected a number",
        ),
        (("instances", 1, "pixels", 2), [1e300, 2], "pixels of pose 1"),
        (("instances", 1, "pixels", 2), [10**30, 2], "pixels of pose 1"),
        (("instances", 1, "pixels", 2), "x" * 10**6, "[1].pixels[2]"),
        (("instances", 1, "scores", 2), 1.5, "scores of pose 1"),
        (("instances", 1, "scores", 2), -1, "scores of pose 1"),
        (("instances", 1, "scores"), [0.5] * 16, "length 17, got 16"),
        (("instances", 1, "image_size"), [0, 5], "image_size of pose 1"),
        (("instances", 1, "image_size"), [10**9, 5], "image_size of pose 1"),
        (("instances", 1, "image_size"), [5], "image_size"),
        (("parameters",), {}, "Unknown key 'parameters'"),
    ],
)
def test_mistakes_in_v1(where, value, said):
    wrong = copy.deepcopy(body())
    change(where, value)(wrong)
    with pytest.raises(InvalidInput) as raised:
        read(wrong)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["pixels", "image_size"])
def test_what_is_missing_is_named(key):
    wrong = body()
    del wrong["instances"][2][key]
    with pytest.raises(
        InvalidInput, match=rf"instances\[2\].{key} is missing"
    ):
        read(wrong)
    with pytest.raises(InvalidInput, match=f"{key} is missing"):
        read_v2(request(**{key: None}))


@pytest.mark.parametrize("content", [None, 3, [], "x", {"inputs": []}])
def test_another_body_is_no_body_of_v1(content):
    with pytest.raises(InvalidInput, match="instances"):
        read(content)


def test_too_many_poses_are_refused():
    many = {"instances": body()["instances"] * 2}
    with pytest.raises(Refused, match="at most 5 poses, got 6"):
        read(many)
    pixels, scores = (np.tile(a, (2, 1, 1)) for a in (PIXELS, SCORES[None]))
    del scores
    with pytest.raises(Refused, match="at most 5 poses, got 6"):
        read_v2(request(pixels=tensor("pixels", pixels)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"parameters": {}}, "parameter skeleton"),
        ({"parameters": {"skeleton": 3}}, "parameter skeleton"),
        ({"parameters": [3]}, "parameters: expected an object"),
        ({"pixels": tensor("pixels", PIXELS[0])}, "(N, 17, 2)"),
        ({"pixels": tensor("pixels", PIXELS[:0])}, "at least one pose"),
        ({"scores": tensor("scores", SCORES[:2])}, "(3, 17)"),
        ({"other": tensor("other", SCORES)}, "'other'"),
        ({"again": tensor("scores", SCORES)}, "'scores'"),
        ({"scores": tensor("scores", SCORES, "BYTES")}, "'BYTES'"),
        ({"scores": tensor("scores", SCORES, "x" * 999)}, "datatype"),
        (
            {"scores": InferInput("scores", [3, 17], "FP32", [0.5] * 50)},
            "scores.data: expected a list of length 51, got 50",
        ),
        (
            {"scores": InferInput("scores", [-1, 17], "FP32", [0.5] * 51)},
            "whole numbers",
        ),
        ({"scores": InferInput("scores", "317", "FP32", [])}, "whole numbers"),
        (
            {"scores": InferInput("scores", [3, 17], "INT8", [999] * 51)},
            "integers from -128 to 127",
        ),
        (
            {"scores": InferInput("scores", [3, 17], "INT8", [0.7] * 51)},
            "scores.data[0]: expected an integer",
        ),
        (
            {"scores": InferInput("scores", [3, 17], "FP32", [True] * 51)},
            "scores.data[0]: expected a number",
        ),
        (
            {"scores": InferInput("scores", [3, 17], "FP32", ["1"] * 51)},
            "scores.data[0]: expected a number",
        ),
        (
            {"scores": InferInput("scores", [3, 17], "FP32", [np.nan] * 51)},
            "scores of pose 0",
        ),
        ({"image_size": tensor("image_size", np.ones((2, 2)))}, "(3, 2)"),
    ],
)
def test_mistakes_in_v2(changed, said):
    with pytest.raises(InvalidInput) as raised:
        read_v2(request(**changed))
    assert said in str(raised.value)
    assert len(str(raised.value)) < 300


def outputs(*names):
    asked = request()
    asked.request_outputs = [RequestedOutput(name) for name in names]
    return asked


def test_an_output_is_returned_at_most_once():
    assert len(read_v2(outputs("poses_3d", "notes")).pixels) == 3
    for names in (["poses_3d"] * 2, ["x"]):
        with pytest.raises(InvalidInput, match="outputs: expected poses_3d"):
            read_v2(outputs(*names))


def test_long_strings_need_no_memory():
    """NumPy would make strings of all numbers, here 400 MB."""
    wrong = {"instances": instances(*people(1000, 17))}
    wrong["instances"][500]["image_size"] = ["x" * 10**5, 2]
    tracemalloc.start()
    with pytest.raises(InvalidInput, match=r"\[500\].image_size\[0\]"):
        messages.read_v1(wrong, 1000, 0.3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6


def test_every_skeleton_is_known():
    for name, skeleton in SKELETONS.items():
        asked = read(
            {"instances": instances(*people(2, len(skeleton.joints)), name)}
        )
        assert asked.skeletons == (name,)


def test_limits_that_contradict_each_other():
    with pytest.raises(ValueError, match="max_waiting_poses=3"):
        Limits(max_poses=5, max_waiting_poses=3).checked()
    with pytest.raises(ValueError, match="request_seconds"):
        Limits(request_seconds=0).checked()


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 64, ".x", "ü"])
def test_names_for_addresses(name):
    with pytest.raises(ValueError, match="--name"):
        check_name(name)
