"""Requests and answers: KServe's V1 and the open inference protocol (V2).

The inputs of a pose are `pixels`, the S joints of a skeleton in the image,
`scores`, the detector's confidence in [0, 1] and 1 by default, `image_size`,
the image's width and height in pixels, and `skeleton`, the skeleton's name.
"""

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
from ampose_tf.serving import tensors
from ampose_tf.serving.limits import too_large
from ampose_tf.serving.tensors import shown

_OF_INSTANCE = ("pixels", "scores", "image_size", "skeleton")
# Names of V2's tensors.
TENSORS = ("pixels", "scores", "image_size")
OUTPUTS = ("poses_3d", "joint_names", "notes")
_WORDS = {"units": UNITS, "frame": FRAME, "root": ROOT}


class Asked(NamedTuple):
    """N poses to lift, of Human3.6M's 17 joints.

    Attributes:
        pixels: (N, 17, 2) float32; (0, 0) for joints that were not detected.
        scores: (N, 17) float32.
        image_size: (N, 2) float64, (width, height) in pixels.
        skeletons: Names of the skeletons of the request.
    """

    pixels: np.ndarray
    scores: np.ndarray
    image_size: np.ndarray
    skeletons: tuple[str, ...]


def read_v1(body, max_poses: int, seen_score: float) -> Asked:
    """Reads a V1 request, `{"instances": [...]}` with a pose per instance.

    Args:
        body: Decoded JSON.
        max_poses: Maximum number of poses.
        seen_score: See `keypoints.convert`.

    Raises:
        InvalidInput: If the request is malformed.
        Refused: If it has more than `max_poses` poses.
    """
    if not isinstance(body, dict) or not isinstance(
        body.get("instances"), list
    ):
        raise InvalidInput(
            'Expected a JSON object with "instances", a list with an object '
            f"of {', '.join(_OF_INSTANCE)} for each pose; see docs/kserve.md."
        )
    if len(body) > 1:
        unknown = next(key for key in body if key != "instances")
        raise InvalidInput(
            f"Unknown key {shown(unknown)}; expected only instances."
        )
    instances = body["instances"]
    _check_count(len(instances), max_poses)
    groups = {}
    for i, instance in enumerate(instances):
        if not isinstance(instance, dict):
            raise InvalidInput(f"instances[{i}]: expected an object.")
        for key in instance:
            if key not in _OF_INSTANCE:
                raise InvalidInput(
                    f"instances[{i}]: unknown key {shown(key)}; expected "
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
    """Reads a V2 request.

    Its tensors are `pixels` (N, S, 2), `scores` (N, S) and `image_size`
    (N, 2), or (2) for all poses; the skeleton is a parameter.

    Args:
        request: Request with JSON data, binary tensors or gRPC contents.
        max_poses: Maximum number of poses.
        seen_score: See `keypoints.convert`.

    Raises:
        InvalidInput: If the request is malformed.
        Refused: If it has more than `max_poses` poses.
    """
    parameters = request.parameters or {}
    if not hasattr(parameters, "items"):
        raise InvalidInput("parameters: expected an object.")
    _check_outputs(request.request_outputs or ())
    name = to_http_parameters(parameters).get("skeleton")
    if not isinstance(name, str) or name not in SKELETONS:
        _refuse_skeleton(name, "the parameter skeleton")
    given = {}
    for tensor in request.inputs:
        if tensor.name not in TENSORS or tensor.name in given:
            raise InvalidInput(
                f"inputs: expected {', '.join(TENSORS)}, each once, got "
                f"{shown(tensor.name)}."
            )
        given[tensor.name] = tensor
    for needed in ("pixels", "image_size"):
        if needed not in given:
            raise InvalidInput(f"inputs: {needed} is missing.")
    joints = len(SKELETONS[name].joints)
    shape = _shape(given["pixels"])
    count = shape[0] if shape else 0
    _check_shape("pixels", shape, (count, joints, 2), f"(N, {joints}, 2)")
    _check_count(count, max_poses)
    pixels = tensors.numbers(given["pixels"], shape)
    scores = np.ones((count, joints))
    if "scores" in given:
        shape = _shape(given["scores"])
        _check_shape("scores", shape, (count, joints), f"({count}, {joints})")
        scores = tensors.numbers(given["scores"], shape)
    shape = _shape(given["image_size"])
    if shape not in ((2,), (1, 2)):
        _check_shape(
            "image_size", shape, (count, 2), f"(2) for all or ({count}, 2)"
        )
    size = tensors.numbers(given["image_size"], shape).reshape(-1, 2)
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
    """Returns a V1 answer.

    Args:
        poses_3d: (N, J, 3) metres.
        joints: Names of the J joints.
        notes: Sentences for the client.
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
    """Returns a V2 answer.

    Args:
        request: The request to answer.
        poses_3d: (N, J, 3) metres.
        joints: Names of the J joints.
        notes: Sentences for the client.
    """
    outputs = [
        InferOutput("poses_3d", list(poses_3d.shape), "FP32", poses_3d),
        *(
            InferOutput(name, [len(texts)], "BYTES", np.array(texts, object))
            for name, texts in (("joint_names", joints), ("notes", notes))
        ),
    ]
    for output in outputs if request.from_grpc else ():
        # In the request's format; KServe only does this in REST.
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
    """Returns V2's metadata of the tensors of a request."""
    return [
        {"name": name, "datatype": "FP32", "shape": shape}
        for name, shape in (
            ("pixels", [-1, -1, 2]),
            ("scores", [-1, -1]),
            ("image_size", [-1, 2]),
        )
    ]


def outputs(joints: int) -> list[dict]:
    """Returns V2's metadata of the tensors of an answer."""
    return [
        {"name": "poses_3d", "datatype": "FP32", "shape": [-1, joints, 3]},
        {"name": "joint_names", "datatype": "BYTES", "shape": [joints]},
        {"name": "notes", "datatype": "BYTES", "shape": [-1]},
    ]


def _refuse_skeleton(name, what):
    got = "" if name is None else f", got {shown(name)}"
    raise InvalidInput(f"{what}: expected one of {', '.join(SKELETONS)}{got}.")


def _check_count(count, most):
    if count > most:
        raise too_large(f"Expected at most {most} poses, got {count}.")
    if count < 1:
        raise InvalidInput("Expected at least one pose.")


def _check_outputs(requested):
    names = [output.name for output in requested]
    for i, name in enumerate(names):
        if name not in OUTPUTS or name in names[:i]:
            raise InvalidInput(
                f"outputs: expected {', '.join(OUTPUTS)}, each at most once, "
                f"got {shown(name)}."
            )


def _stacked(instances, rows, key, shape):
    """Returns the values of a key of several instances, float64."""
    for i in rows:
        if key not in instances[i]:
            raise InvalidInput(f"instances[{i}].{key} is missing.")
    return tensors.array(
        [instances[i][key] for i in rows],
        (len(rows), *shape),
        lambda row, *index: tensors.place(
            f"instances[{rows[row]}].{key}", index
        ),
    )


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
    # Pixels of joints that were not detected are arbitrary.
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
