"""Signatures of exported files: functions with named, typed inputs."""

import json
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ampose_tf import __version__, camera
from ampose_tf.conversion import COCO_17, SEEN_SCORE
from ampose_tf.data.poses import FRAME, ROOT, UNITS
from ampose_tf.export import mobile, pixels
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import by_joint_count

SIGNATURES = ("lift", "lift_pixels", "lift_coco17")


def metadata(
    model: AMPose, checkpoint: str, names: tuple[str, ...], **more
) -> str:
    """Returns the metadata of a file, `ampose.json`, as JSON.

    Args:
        model: The exported model.
        checkpoint: Description of the checkpoint and of how it was selected.
        names: Names of the file's signatures.
        **more: Additional metadata: training data, measurements.
    """
    joints = model.adjacency.shape[1]
    skeleton = by_joint_count(joints)
    if "lift_coco17" in names:
        more = {"coco_joint_names": COCO_17.joints, **more}
    return json.dumps(
        {
            "version": __version__,
            "checkpoint": checkpoint,
            "joints": joints,
            "joint_names": skeleton.joints,
            "edges": skeleton.edges,
            "normalisation": model.normalisation,
            "seen_input": model.seen_input,
            "units": UNITS,
            "frame": FRAME,
            "root": ROOT,
            "signatures": names,
            "inputs": _conventions(model, names),
            **more,
        }
    )


def _conventions(model, names):
    """Returns descriptions of the inputs of some signatures, by name."""
    side = {"width": "width", "longest": "longest side"}[model.normalisation]
    joints = model.adjacency.shape[1]
    orders = {"lift_pixels": "joint_names", "lift_coco17": "coco_joint_names"}
    order = " or, of lift_coco17, ".join(
        orders[name] for name in orders if name in names
    )
    conventions = {
        "keypoints_2d": (
            f"(B, {joints}, 2): (pixels - image size / 2) / (the image's "
            f"{side} / 2), y down, joints in the order of joint_names"
        ),
        "keypoints_px": (
            "(B, J, 2): x and y in pixels from the image's upper left corner, "
            "finite; computed in float16, those beyond 2,048 lose whole "
            f"pixels; joints in the order of {order}"
        ),
        "image_size": "(B, 2): width and height in pixels",
        "scores": (
            "(B, 17): a detector's, finite, in the order of coco_joint_names; "
            + (
                f"below {SEEN_SCORE:g} a joint counts as not seen"
                if model.seen_input
                else "without effect in this model"
            )
        ),
    }
    if model.seen_input:
        conventions["seen"] = (
            f"(B, {joints}): 1 for joints that were seen, 0 for others, whose "
            "keypoints are without effect but finite"
        )
    specs = _specs(model, None)
    taken = {spec.name for name in names for spec in specs[name]}
    return {name: said for name, said in conventions.items() if name in taken}


def check(names: tuple[str, ...], model: AMPose) -> None:
    """Checks that a model supports the named signatures.

    Raises:
        ValueError: If a name is unknown or repeated, no name is given, or the
            signature does not support the model's joints.
    """
    unknown = [name for name in names if name not in SIGNATURES]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            "Unknown or repeated signature "
            f"{', '.join(filter(None, unknown or names)) or '(none)'}; "
            f"expected some of {', '.join(SIGNATURES)}"
        )
    joints = model.adjacency.shape[1]
    if "lift_coco17" in names and joints != 17:
        raise ValueError(
            f"The signature lift_coco17 requires a model with 17 joints, "
            f"got {joints}"
        )


def possible(model: AMPose) -> tuple[str, ...]:
    """Returns the names of all signatures that a model supports."""
    return SIGNATURES[: 3 if model.adjacency.shape[1] == 17 else 2]


def endpoints(
    model: AMPose,
    forward: Callable,
    names: tuple[str, ...],
    batch: int | None,
) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
    """Returns functions of tensors, and the specs of their inputs.

    * `lift(keypoints_2d)`: (B, J, 2) screen-normalised.
    * `lift_pixels(keypoints_px, image_size)`: (B, J, 2) pixels and (B, 2)
      width and height; the normalisation is the model's own.
    * `lift_coco17(keypoints_px, scores, image_size)`: a detector's 17 joints
      in COCO's order, converted as by `conversion.COCO_17`.

    If the model has `seen_input`, the first two have one more input, `seen`
    (B, J), 1 for joints that were seen and 0 for others; the third one
    computes it from `scores`. Otherwise `scores` have no effect. All return
    `poses_3d`, (B, J, 3) metres.

    Args:
        model: The model.
        forward: `forward(keypoints_2d, seen)`; `seen` is None if the model
            does not have this input.
        names: Names of signatures, see `check`.
        batch: B, or None for any.
    """
    normalisation = model.normalisation

    def lift(keypoints_2d, seen=None):
        return {"poses_3d": forward(keypoints_2d, seen)}

    def lift_pixels(keypoints_px, image_size, seen=None):
        with tf.name_scope(mobile.FRONT):
            keypoints_2d = pixels.normalize(
                keypoints_px, image_size, normalisation
            )
        return lift(keypoints_2d, seen)

    def lift_coco17(keypoints_px, scores, image_size):
        with tf.name_scope(mobile.FRONT):
            taken = seen = None
            if model.seen_input:
                taken = pixels.taken_of_coco(scores)
                seen = pixels.seen_of_coco(scores, taken)
            keypoints_2d = pixels.normalize_coco(
                keypoints_px, image_size, normalisation, taken
            )
        return lift(keypoints_2d, seen)

    functions = {
        "lift": lift,
        "lift_pixels": lift_pixels,
        "lift_coco17": lift_coco17,
    }
    specs = _specs(model, batch)
    return {name: (functions[name], specs[name]) for name in names}


def inputs(
    name: str,
    lifted: dict[str, np.ndarray],
    scores: np.ndarray,
    image_size: tuple[int, int],
    normalisation: str,
) -> dict[str, np.ndarray]:
    """Converts inputs of `lift` to inputs of another signature.

    With these, `lift_pixels` computes the same as `lift`. `lift_coco17`
    computes approximately the same: its inputs are the COCO joints whose
    conversion is nearest to the joints of `lift`.

    Args:
        name: Name of the signature.
        lifted: The inputs of `lift`, (N, ...) each.
        scores: (N, 17), scores of COCO's joints for `lift_coco17`.
        image_size: Width and height in pixels of all images.
        normalisation: See `camera.normalize_screen`.
    """
    if name == "lift":
        return dict(lifted)
    keypoints_px = camera.denormalize_screen(
        lifted["keypoints_2d"], image_size, normalisation
    )
    told = {n: array for n, array in lifted.items() if n == "seen"}
    if name == "lift_coco17":
        keypoints_px = np.linalg.pinv(COCO_17.matrix) @ keypoints_px
        told = {"scores": np.asarray(scores, np.float32)}
    return told | {
        "keypoints_px": keypoints_px.astype(np.float32),
        "image_size": np.tile(np.float32(image_size), (len(keypoints_px), 1)),
    }


def _specs(model, batch):
    """Returns the specs of all inputs, by the name of the signature."""
    joints = model.adjacency.shape[1]

    def spec(name, *shape):
        return tf.TensorSpec((batch, *shape), tf.float32, name)

    seen = [spec("seen", joints)] if model.seen_input else []
    keypoints_px = spec("keypoints_px", joints, 2)
    size = spec("image_size", 2)
    return {
        "lift": [spec("keypoints_2d", joints, 2), *seen],
        "lift_pixels": [keypoints_px, size, *seen],
        "lift_coco17": [keypoints_px, spec("scores", 17), size],
    }
