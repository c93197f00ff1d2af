"""Driver: a keypoint file to 3D poses and a picture of them."""

import os
import pathlib

import numpy as np

from ampose_tf import files
from ampose_tf.camera import normalize_screen
from ampose_tf.lifting import formats, picture
from ampose_tf.lifting.predictor import load_predictor


def lift(
    keypoints: str | os.PathLike,
    model: str | os.PathLike,
    output: str | os.PathLike,
    image_size: tuple[int, int] | None = None,
) -> tuple[pathlib.Path, pathlib.Path]:
    """Lifts a clip and writes an `.npz` that explains itself, and a `.png`.

    The `.npz` holds `poses_3d` (T, J, 3), `keypoints_2d` (T, J, 2) as the
    network saw them, `seen` (T, J), `joint_names`, `edges` (J - 1, 2) of
    parent and child, `units`, `frame` and `root`.

    Args:
        keypoints: See `formats.read`.
        model: See `load_predictor`.
        output: A folder, or the `.npz` to write.
        image_size: (width, height); None where the file says it.

    Returns:
        The paths of the `.npz` and the `.png`.

    Raises:
        OSError: Where something cannot be read or written.
        ValueError: Where keypoints or model are not what they should be.
    """
    clip = formats.read(keypoints, image_size)
    predict = load_predictor(model)
    skeleton = predict.skeleton
    if clip.pixels.shape[1] != len(skeleton.joints):
        raise ValueError(
            f"{keypoints} has {clip.pixels.shape[1]} joints, the model "
            f"{model} wants {len(skeleton.joints)}"
        )
    keypoints_2d = normalize_screen(
        clip.pixels, clip.image_size, predict.normalisation
    )
    poses_3d = predict(keypoints_2d)
    path = pathlib.Path(output)
    if path.suffix != ".npz":
        path = path / f"{pathlib.Path(keypoints).stem}.npz"
    if path.resolve() == pathlib.Path(keypoints).resolve():
        raise ValueError(
            f"{path} is the keypoint file; choose another --output"
        )
    if not np.isfinite(poses_3d).all():
        raise ValueError(f"{model}: its poses hold NaN or infinite values")
    image = path.with_suffix(".png")
    with (
        files.replacing(path) as archive_file,
        files.replacing(image) as image_file,
    ):
        np.savez_compressed(
            archive_file,
            poses_3d=poses_3d,
            keypoints_2d=keypoints_2d,
            seen=np.ones(keypoints_2d.shape[:2], bool),
            joint_names=np.array(skeleton.joints),
            edges=np.array(skeleton.edges),
            units=np.array("metres"),
            frame=np.array("camera: x right, y down, z forward"),
            root=np.array("hip: the first joint, at the origin"),
        )
        picture.save(
            image_file, clip.pixels, poses_3d, clip.image_size, skeleton
        )
    return path, image
