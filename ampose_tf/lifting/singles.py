"""Lifts arrays of single poses, which are independent of each other.

The results are those of `Lifter.stream` for single frames: joints are not
filled in or smoothed over time, and image sizes of poses may differ.
"""

from typing import NamedTuple

import numpy as np

from ampose_tf.camera import Camera, normalize_screen
from ampose_tf.conversion import SEEN_SCORE, Conversion
from ampose_tf.lifting import completion, root
from ampose_tf.lifting.keypoints import convert, is_seen
from ampose_tf.lifting.motion import ensemble_spread
from ampose_tf.lifting.predictor import Predictor
from ampose_tf.skeleton import H36M_17, flip_ensemble


class LiftedPoses(NamedTuple):
    """N lifted poses of the model's J joints.

    Attributes:
        poses_3d: (N, J, 3) float32 metres, camera frame, relative to the hip.
            All NaN if no joint of a pose is seen.
        seen: (N, J) bool, whether a joint counts as detected.
        spread_m: (N, J) float32, see `motion.ensemble_spread`; NaN without
            flip ensemble.
        root: (N, 3) float32 metres, the hip in the camera's frame; NaN if it
            cannot be derived from a pose, see `root.solve`.
    """

    poses_3d: np.ndarray
    seen: np.ndarray
    spread_m: np.ndarray
    root: np.ndarray


def lift(
    predict: Predictor,
    pixels: np.ndarray,
    scores: np.ndarray,
    image_size: np.ndarray,
    skeleton: Conversion,
    seen_score: float = SEEN_SCORE,
    **options,
) -> LiftedPoses:
    """Lifts N poses of any skeleton.

    Args:
        predict: The model.
        pixels: (N, S, 2), finite.
        scores: (N, S) in [0, 1]; 0 for joints that were not detected.
        image_size: (N, 2), (width, height) in pixels for each pose.
        skeleton: The skeleton of the S joints.
        seen_score: See `Lifter`.
        **options: See `lift_joints`.
    """
    pixels, scores = convert(pixels, scores, skeleton, seen_score)
    return lift_joints(
        predict, pixels, scores, image_size, seen_score, **options
    )


def lift_joints(
    predict: Predictor,
    pixels: np.ndarray,
    scores: np.ndarray,
    image_size: np.ndarray,
    seen_score: float = SEEN_SCORE,
    *,
    flip_ensemble: bool = True,
    field_of_view_deg: float | None = root.FIELD_OF_VIEW_DEG,
    intrinsics: tuple[float, float, float, float] | None = None,
) -> LiftedPoses:
    """Lifts N poses of Human3.6M's 17 joints, see `keypoints.convert`.

    Args:
        predict: The model.
        pixels: (N, 17, 2), finite.
        scores: (N, 17) in [0, 1]; 0 for joints that were not detected.
        image_size: (N, 2), (width, height) in pixels for each pose.
        seen_score: See `Lifter`.
        flip_ensemble: See `Lifter`.
        field_of_view_deg: See `Lifter`; None to not compute roots, unless
            there are `intrinsics`.
        intrinsics: (fx, fy, cx, cy) in pixels of the camera of all images;
            None for a camera with `field_of_view_deg`.
    """
    seen = is_seen(scores, seen_score)
    joints = [H36M_17.joints.index(name) for name in predict.skeleton.joints]
    present = seen[:, joints].any(axis=1)
    count, shape = len(present), (len(present), len(joints))
    lifted = LiftedPoses(
        np.full((*shape, 3), np.nan, np.float32),
        seen[:, joints],
        np.full(shape, np.nan, np.float32),
        np.full((count, 3), np.nan, np.float32),
    )
    if not present.any():
        return lifted
    pixels, scores, seen = pixels[present], scores[present], seen[present]
    if not (seen.all() or predict.seen_input):
        pixels = completion.complete(pixels, seen, None)
    pixels, scores, seen = (a[:, joints] for a in (pixels, scores, seen))
    keypoints_2d, on_screen = _normalised(
        pixels, np.asarray(image_size)[present], predict.normalisation
    )
    if flip_ensemble:
        single, mirrored, poses_3d = _flip_ensemble(
            predict, keypoints_2d, predict.skeleton, seen
        )
        lifted.spread_m[present] = ensemble_spread(single, mirrored)
    else:
        poses_3d = predict(keypoints_2d, seen)
    lifted.poses_3d[present] = poses_3d
    if intrinsics is None and field_of_view_deg is None:
        return lifted
    if intrinsics is None:
        # Normalised like an image of 2 x 2 pixels, so that one camera is
        # valid for all image sizes.
        camera = root.camera_of((2, 2), field_of_view_deg)
        pixels = on_screen + 1
    else:
        fx, fy, cx, cy = intrinsics
        camera = Camera(1, 1, (fx, fy), (cx, cy))
    weights = np.where(seen, scores, 0)
    lifted.root[present] = root.solve(poses_3d, pixels, weights, camera)
    return lifted


# The argument of `lift_joints` has the same name as this function.
_flip_ensemble = flip_ensemble


def _normalised(pixels, image_size, normalisation):
    """Returns pixels normalised for the network, and by the longest side."""
    keypoints_2d = np.empty_like(pixels)
    sizes, index = np.unique(image_size, axis=0, return_inverse=True)
    order = np.argsort(index.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(index.ravel()))[:-1]
    longest = keypoints_2d if normalisation == "longest" else pixels.copy()
    for size, rows in zip(sizes, np.split(order, ends), strict=True):
        keypoints_2d[rows] = normalize_screen(
            pixels[rows], size, normalisation
        )
        longest[rows] = normalize_screen(pixels[rows], size, "longest")
    return keypoints_2d, longest
