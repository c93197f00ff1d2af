"""Driver: a keypoint file to 3D poses and a picture of them."""

import contextlib
import os
import pathlib

import numpy as np
from absl import logging

from ampose_tf import files
from ampose_tf.camera import denormalize_screen, normalize_screen
from ampose_tf.conversion import Conversion
from ampose_tf.lifting import completion, formats, picture
from ampose_tf.lifting.keypoints import (
    SEEN_SCORE,
    assumed_image_size,
    to_h36m,
)
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.skeleton import H36M_17


def lift(
    keypoints: str | os.PathLike,
    model: str | os.PathLike,
    output: str | os.PathLike,
    image_size: tuple[int, int] | None = None,
    format: str | None = None,
    skeleton: Conversion | None = None,
) -> tuple[pathlib.Path, ...]:
    """Lifts a clip and writes an `.npz` that explains itself, and a `.png`.

    The `.npz` holds `poses_3d` (F, J, 3), `keypoints_2d` (F, J, 2) as the
    network saw them, `seen` (F, J), `frames` (F,), their numbers in the clip,
    `joint_names`, `edges` (J - 1, 2) of parent and child, `units`, `frame`,
    `root`, `image_size` (width, height), `image_size_assumed` and
    `image_corner` (x, y), where in the file's pixels that image begins. Frames
    in which no joint of the person is seen are left out. Joints that were not
    seen are completed in 2D, see `completion`; a model with the input `seen`
    does not look at them.

    Where there are several people, each has files of its own, with the
    track's id at the end of their names.

    Args:
        keypoints: See `formats.read`.
        model: See `load_predictor`.
        output: A folder, or the `.npz` to write.
        image_size: (width, height); None where the file says it. Where it
            does not either, one is assumed, and a warning says so.
        format: See `formats.read`.
        skeleton: See `formats.read`.

    Returns:
        The paths of the `.npz` and the `.png` of each person.

    Raises:
        OSError: Where something cannot be read or written.
        ValueError: Where keypoints or model are not what they should be.
    """
    clip = formats.read(keypoints, image_size, format, skeleton)
    size, corner = clip.image_size, (0.0, 0.0)
    if size is None:
        size, corner = assumed_image_size(clip)
        logging.warning(
            "%s does not say its image's size: assumed a square of %d pixels "
            "around the people; --image_size=WIDTHxHEIGHT is better",
            keypoints,
            size[0],
        )
    clip_h36m = to_h36m(clip, skeleton)
    predict = load_predictor(model)
    joints = [H36M_17.joints.index(joint) for joint in predict.skeleton.joints]
    tracks = [
        track
        for track in clip_h36m.tracks
        if (track.scores[:, joints] >= SEEN_SCORE).any()
    ]
    if not tracks:
        raise ValueError(
            f"{keypoints}: nobody has a joint with a score of {SEEN_SCORE}"
        )
    path = _path(keypoints, output)
    results = [_lift(track, joints, predict, size, corner) for track in tracks]
    if not all(np.isfinite(result["poses_3d"]).all() for result in results):
        raise ValueError(f"{model}: its poses hold NaN or infinite values")
    written = []
    with contextlib.ExitStack() as stack:
        for track, result in zip(tracks, results, strict=True):
            name = path
            if len(tracks) > 1:
                name = path.with_name(f"{path.stem}_{track.track_id}.npz")
            if name.resolve() == pathlib.Path(keypoints).resolve():
                raise ValueError(
                    f"{name} is the keypoint file; choose another --output"
                )
            image = name.with_suffix(".png")
            written += [name, image]
            np.savez_compressed(
                stack.enter_context(files.replacing(name)),
                **result,
                image_size=np.array(size),
                image_corner=np.array(corner),
                image_size_assumed=np.array(clip.image_size is None),
            )
            picture.save(
                stack.enter_context(files.replacing(image)),
                denormalize_screen(
                    result["keypoints_2d"], size, predict.normalisation
                ),
                result["poses_3d"],
                size,
                predict.skeleton,
            )
    return tuple(written)


def _path(keypoints, output):
    path = pathlib.Path(output)
    if path.suffix != ".npz":
        stem = pathlib.Path(os.path.abspath(keypoints)).stem
        path = path / f"{'stdin' if str(keypoints) == '-' else stem}.npz"
    return path


def _lift(track, joints, predict, image_size, corner):
    """Lifts one person; returns what is to be written of it."""
    seen = track.scores >= SEEN_SCORE
    present = seen[:, joints].any(axis=1)
    seen, frames = seen[present], track.frames[present]
    pixels = completion.complete(track.pixels[present], seen, frames)
    pixels = pixels[:, joints] - np.asarray(corner, np.float32)
    keypoints_2d = normalize_screen(pixels, image_size, predict.normalisation)
    seen = seen[:, joints]
    return {
        "poses_3d": predict(keypoints_2d, seen),
        "keypoints_2d": keypoints_2d,
        "seen": seen,
        "frames": frames,
        "joint_names": np.array(predict.skeleton.joints),
        "edges": np.array(predict.skeleton.edges),
        "units": np.array("metres"),
        "frame": np.array("camera: x right, y down, z forward"),
        "root": np.array("hip: the first joint, at the origin"),
    }
