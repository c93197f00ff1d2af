"""Requests and answers: KServe's V1 and the open inference protocol (V2).

A pose is asked for by `pixels`, the S joints of a known skeleton in the
image, `scores`, the detector's confidence in [0, 1], 1 where it is left out,
`image_size`, the image's width and height in pixels, and `skeleton`, a name.
"""

import math
from typing import NamedTuple

import numpy as np
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import (
    InferOutput,
    InferRequest,
    InferResponse,
    to_http_parameters,
)

from ampose_tf import reading
from ampose_tf.data.poses import FRAME, ROOT, UNITS
from ampose_tf.lifting.keypoints import SKELETONS, convert
from ampose_tf.lifting.untrusted import MAX_PIXEL
from ampose_tf.serving.limits import too_large

_OF_INSTANCE = ("pixels", "scores", "image_size", "skeleton")
_TENSORS = ("pixels", "scores", "image_size")
_INTEGERS = {
    f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)
}
_NUMBERS = {"FP16", "FP32", "FP64", *_INTEGERS}
_WORDS = {"units": UNITS, "frame": FRAME, "root": ROOT}


class Asked(NamedTuple):
    """N poses to lift, of Human3.6M's 17 joints.

    Attributes:
        pixels: (N, 17, 2) float32; (0, 0) where not seen.
        scores: (N, 17) float32.
        image_size: (N, 2) float64, (width, height) in pixels.
        skeletons: Names of the skeletons that they came in.
    """

    pixels: np.ndarray
    scores: np.ndarray
    image_size: np.ndarray
    skeletons: tuple[str, ...]


def read_v1(body, max_poses: int, seen_score: float) -> Asked:
    """Reads a body of V1, `{"instances": [...]}`, a pose each.

    Args:
        body: What was in the JSON.
        max_poses: Poses that there may be.
        seen_score: See `keypoints.convert`.

    Raises:
        InvalidInput: If it is not as it should be.
        Refused: If there are more poses.
    """
    if not isinstance(body, dict) or not isinstance(
        body.get("instances"), list
    ):
        raise InvalidInput(
            'Expected a JSON object with "instances", a list with an object '
            f"of {', '.join(_OF_INSTANCE)} for each pose; see docs/kserve.md."
        )
    instances = body["instances"]
    _check_count(len(instances), max_poses)
    groups = {}
    for i, instance in enumerate(instances):
        if not isinstance(instance, dict):
            raise InvalidInput(f"instances[{i}]: expected an object.")
        if not instance.keys() <= set(_OF_INSTANCE):
            unknown = min(map(str, instance.keys() - set(_OF_INSTANCE)))
            raise InvalidInput(
                f"instances[{i}]: unknown key {_shown(unknown)}; expected "
                f"{', '.join(_OF_INSTANCE)}."
            )
        name = instance.get("skeleton")
        if not isinstance(name, str) or name not in SKELETONS:
            _refuse_skeleton(name, f"instances[{i}].skeleton")
        groups.setdefault((name, "scores" in instance), []).append(i)
    count = len(instances)
    asked = Asked(
        np.empty((count, 17, 2), np.float32),
        np.empty((count, 17), np.float32),
        _stacked(instances, range(count), "image_size", (2,)),
        tuple(sorted({name for name, _ in groups})),
    )
    _check_sizes(asked.image_size)
    for (name, has_scores), rows in groups.items():
        joints = len(SKELETONS[name].joints)
        pixels = _stacked(instances, rows, "pixels", (joints, 2))
        scores = np.ones((len(rows), joints))
        if has_scores:
            scores = _stacked(instances, rows, "scores", (joints,))
        asked.pixels[rows], asked.scores[rows] = _converted(
            pixels, scores, name, seen_score, rows
        )
    return asked


def read_v2(request: InferRequest, max_poses: int, seen_score: float) -> Asked:
    """Reads a request of V2.

    Its tensors are `pixels` (N, S, 2), `scores` (N, S) and `image_size`
    (N, 2), or (2) for all; the skeleton is a parameter.

    Args:
        request: As KServe makes it of JSON, of binary tensors or of gRPC.
        max_poses: Poses that there may be.
        seen_score: See `keypoints.convert`.

    Raises:
        InvalidInput: If it is not as it should be.
        Refused: If there are more poses.
    """
    parameters = request.parameters or {}
    if not hasattr(parameters, "items"):
        raise InvalidInput("parameters: expected an object.")
    name = to_http_parameters(parameters).get("skeleton")
    if not isinstance(name, str) or name not in SKELETONS:
        _refuse_skeleton(name, "the parameter skeleton")
    tensors = {}
    for tensor in request.inputs:
        if tensor.name not in _TENSORS or tensor.name in tensors:
            raise InvalidInput(
                f"inputs: expected {', '.join(_TENSORS)}, once each, got "
                f"{_shown(tensor.name)}."
            )
        tensors[tensor.name] = tensor
    for needed in ("pixels", "image_size"):
        if needed not in tensors:
            raise InvalidInput(f"inputs: {needed} is missing.")
    joints = len(SKELETONS[name].joints)
    shape = _shape(tensors["pixels"])
    count = shape[0] if shape else 0
    _check_shape("pixels", shape, (count, joints, 2), f"(N, {joints}, 2)")
    _check_count(count, max_poses)
    pixels = _numbers(tensors["pixels"], shape)
    scores = np.ones((count, joints))
    if "scores" in tensors:
        shape = _shape(tensors["scores"])
        _check_shape("scores", shape, (count, joints), f"({count}, {joints})")
        scores = _numbers(tensors["scores"], shape)
    shape = _shape(tensors["image_size"])
    if shape not in ((2,), (1, 2)):
        _check_shape(
            "image_size", shape, (count, 2), f"(2) for all or ({count}, 2)"
        )
    size = _numbers(tensors["image_size"], shape).reshape(-1, 2)
    size = np.broadcast_to(size, (count, 2))
    _check_sizes(size)
    return Asked(
        *_converted(pixels, scores, name, seen_score, range(count)),
        size,
        (name,),
    )


def write_v1(
    poses_3d: np.ndarray, joints: tuple[str, ...], notes: list[str]
) -> dict:
    """Returns V1's answer.

    Args:
        poses_3d: (N, J, 3) metres.
        joints: The J joints' names.
        notes: A sentence each.
    """
    return {
        "predictions": [{"poses_3d": pose} for pose in poses_3d],
        "joint_names": list(joints),
        **_WORDS,
        "notes": notes,
    }


def write_v2(
    request: InferRequest,
    poses_3d: np.ndarray,
    joints: tuple[str, ...],
    notes: list[str],
) -> InferResponse:
    """Returns V2's answer; the arguments are as of `write_v1`.

    Args:
        request: What it is the answer to.
        poses_3d: (N, J, 3) metres.
        joints: The J joints' names.
        notes: A sentence each.
    """
    outputs = [
        InferOutput("poses_3d", list(poses_3d.shape), "FP32", poses_3d),
        *(
            InferOutput(name, [len(texts)], "BYTES", np.array(texts, object))
            for name, texts in (("joint_names", joints), ("notes", notes))
        ),
    ]
    for output in outputs if request.from_grpc else ():
        # As the request's, which KServe does by itself in REST alone.
        if request.use_binary_outputs:
            output.set_data_from_numpy(output.data, binary_data=True)
        else:
            output.data = output.data.ravel().tolist()
    return InferResponse(
        response_id=request.id,
        model_name=request.model_name,
        infer_outputs=outputs,
        from_grpc=request.from_grpc,
        parameters=dict(_WORDS),
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


def inputs() -> list[dict]:
    """Returns what V2's metadata says of a request's tensors."""
    return [
        {"name": name, "datatype": "FP32", "shape": shape}
        for name, shape in (
            ("pixels", [-1, -1, 2]),
            ("scores", [-1, -1]),
            ("image_size", [-1, 2]),
        )
    ]


def outputs(joints: int) -> list[dict]:
    """Returns what V2's metadata says of an answer's tensors."""
    return [
        {"name": "poses_3d", "datatype": "FP32", "shape": [-1, joints, 3]},
        {"name": "joint_names", "datatype": "BYTES", "shape": [joints]},
        {"name": "notes", "datatype": "BYTES", "shape": [-1]},
    ]


def _shown(value):
    """Returns a name that a client has sent, for that client."""
    return reading.shown(repr(value), 60)


def _refuse_skeleton(name, what):
    got = "" if name is None else f", got {_shown(name)}"
    raise InvalidInput(f"{what}: expected one of {', '.join(SKELETONS)}{got}.")


def _check_count(count, most):
    if count > most:
        raise too_large(f"Expected at most {most} poses, got {count}.")
    if count < 1:
        raise InvalidInput("Expected at least one pose.")


def _stacked(instances, rows, key, shape):
    """Returns one array of an entry of several instances, float64."""
    try:
        array = np.array([instances[i][key] for i in rows])
    except (KeyError, ValueError, OverflowError, MemoryError):
        array = None
    if (
        array is not None
        and array.shape[1:] == shape
        and array.dtype.kind in "iuf"
    ):
        return array.astype(np.float64)
    # One of them is wrong: the first that is.
    for i in rows:
        what = f"instances[{i}].{key}"
        if key not in instances[i]:
            raise InvalidInput(f"{what} is missing.")
        try:
            array = np.array(instances[i][key])
        except (ValueError, OverflowError, MemoryError):
            raise InvalidInput(
                f"{what}: expected numbers of shape {shape}, got lists of "
                "different lengths."
            ) from None
        if array.dtype.kind not in "iuf":
            raise InvalidInput(f"{what}: expected numbers of shape {shape}.")
        if array.shape != shape:
            raise InvalidInput(
                f"{what}: expected shape {shape}, got {array.shape}."
            )
    # Each by itself is right: together, integers of different kinds.
    return np.array([instances[i][key] for i in rows], np.float64)


def _shape(tensor):
    shape = tensor.shape
    if not isinstance(shape, (list, tuple)) or not all(
        isinstance(side, int) and 0 <= side < 2**31 for side in shape
    ):
        raise InvalidInput(
            f"{tensor.name}: expected a shape of whole numbers."
        )
    return tuple(shape)


def _check_shape(name, shape, expected, words):
    if shape != expected:
        raise InvalidInput(
            f"{name}: expected shape {words}, got "
            f"{reading.shown(str(shape), 60)}."
        )


def _numbers(tensor, shape):
    """Returns a tensor as float64."""
    if tensor.datatype not in _NUMBERS:
        raise InvalidInput(
            f"{tensor.name}: expected numbers, such as FP32, got the datatype "
            f"{_shown(tensor.datatype)}."
        )
    try:
        with np.errstate(all="ignore"):
            array = np.asarray(tensor.as_numpy(), np.float64)
    except (ValueError, TypeError, OverflowError, MemoryError):
        array = None
    if array is None or array.shape != shape:
        raise InvalidInput(
            f"{tensor.name}: expected {math.prod(shape)} numbers of "
            f"{tensor.datatype}, as its shape says."
        )
    return array


def _check_sizes(size):
    wrong = ~((size >= 1) & (size <= MAX_PIXEL)).all(axis=1)
    if wrong.any():
        raise InvalidInput(
            f"image_size of pose {np.argmax(wrong)}: expected a width and a "
            f"height from 1 to {MAX_PIXEL} pixels."
        )


def _converted(pixels, scores, name, seen_score, rows):
    """Returns Human3.6M's joints, (N, 17, 2) and (N, 17) float32."""
    wrong = ~((scores >= 0) & (scores <= 1)).all(axis=1)
    if wrong.any():
        raise InvalidInput(
            f"scores of pose {rows[np.argmax(wrong)]}: expected numbers from "
            "0 to 1."
        )
    # Whatever a detector leaves where it saw nothing.
    pixels = np.where(scores[..., None] > 0, pixels, 0)
    wrong = ~(np.abs(pixels) <= MAX_PIXEL).all(axis=(1, 2))
    if wrong.any():
        raise InvalidInput(
            f"pixels of pose {rows[np.argmax(wrong)]}: expected finite "
            f"numbers of at most {MAX_PIXEL}."
        )
    return convert(
        pixels.astype(np.float32),
        scores.astype(np.float32),
        SKELETONS[name],
        seen_score,
    )
