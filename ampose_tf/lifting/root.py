"""Root positions: the hip in the camera's frame, in metres.

Lifted poses are relative to the hip. Their size in the image determines the
distance, given the camera's focal length and the person's size: if the field
of view or the height is 10 % too large, the distance is about 10 % wrong.
"""

import numpy as np

from ampose_tf.camera import Camera
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.motion import ANKLE_HEIGHT_M, LiftedTrack, Motion
from ampose_tf.skeleton import Skeleton

# Along the image's longer side. Phones' main cameras have 60 to 75 degrees.
FIELD_OF_VIEW_DEG = 60.0

# With fewer joints, the errors of single joints would change the distance.
_FEWEST_JOINTS = 4
# Least spread of the joints' directions, as a tangent: a person at 500 m.
_LEAST_SPREAD = 1e-3
# Nearer than any lens focuses; avoids division by 0.
_LEAST_DEPTH_M = 0.01
_GAUSS_NEWTON_STEPS = 8
# Frames solved at a time: their arrays fit into the processor's cache.
_BLOCK = 512


def parse_intrinsics(text: str) -> tuple[float, float, float, float]:
    """Parses the flag --intrinsics, "FX,FY,CX,CY" in pixels.

    Raises:
        ValueError: If the text is not four numbers.
    """
    try:
        fx, fy, cx, cy = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(
            f"--intrinsics: expected FX,FY,CX,CY in pixels, got {text!r}"
        ) from error
    return fx, fy, cx, cy


def checked_intrinsics(intrinsics) -> tuple[float, float, float, float]:
    """Returns (fx, fy, cx, cy) of a camera in pixels.

    Raises:
        ValueError: If they are not finite, or a focal length is not above 0.
    """
    numbers = untrusted.numbers(intrinsics, "intrinsics")
    if (
        numbers.shape != (4,)
        or not np.isfinite(numbers).all()
        or not (numbers[:2] > 0).all()
    ):
        raise ValueError(
            "intrinsics: expected fx, fy, cx, cy in pixels with focal lengths "
            f"above 0, got {untrusted.brief(intrinsics)}"
        )
    return tuple(float(number) for number in numbers)


def camera_of(
    image_size: tuple[int, int],
    field_of_view_deg: float = FIELD_OF_VIEW_DEG,
) -> Camera:
    """Returns an ideal camera whose axis passes through the image's centre.

    Args:
        image_size: (width, height) in pixels.
        field_of_view_deg: Angle that the image's longer side spans.

    Raises:
        ValueError: If the angle is not between 0 and 180 degrees.
    """
    if not 0 < field_of_view_deg < 180:
        raise ValueError(
            "Expected a field of view between 0 and 180 degrees, got "
            f"{field_of_view_deg}"
        )
    width, height = image_size
    focal = max(image_size) / 2 / np.tan(np.radians(field_of_view_deg) / 2)
    return Camera(
        width,
        height,
        focal_length=(focal, focal),
        center=(width / 2, height / 2),
    )


def place(
    motion: Motion, camera: Camera | None = None, height_m: float | None = None
) -> Motion:
    """Returns the motion with the people's roots in the camera's frame.

    Frames with fewer than four seen joints, or whose joints coincide, are
    interpolated linearly; before the first and after the last known frame,
    the nearest root is used. If no frame of a track has enough joints, its
    root is None.

    Args:
        motion: Motion whose keypoints are free of lens distortion.
        camera: Camera whose focal length and centre are used; None for
            `camera_of` the image.
        height_m: See `scale`; None to use the network's poses as metric.

    Raises:
        ValueError: If the camera has another image size or distortion, or the
            height is implausible.
    """
    if camera is None:
        camera = camera_of(motion.image_size)
        note = (
            "Distances assume a field of view of "
            f"{FIELD_OF_VIEW_DEG:g} degrees along the image's longer side"
        )
    else:
        fx, fy = camera.focal_length
        note = f"Distances assume focal lengths of {fx:g} and {fy:g} pixels"
    if camera.image_size != tuple(motion.image_size):
        raise ValueError(
            "Expected a camera with the image size of the keypoints, "
            f"{_times(motion.image_size)}, got {_times(camera.image_size)}"
        )
    if any(camera.radial_distortion) or any(camera.tangential_distortion):
        raise ValueError(
            "Expected a camera without distortion; undistort the keypoints "
            "first"
        )
    if height_m is not None:
        motion = scale(motion, height_m)
    tracks = tuple(_placed(track, camera) for track in motion.tracks)
    return motion.noted(f"{note}.", tracks=tracks)


def scale(motion: Motion, height_m: float) -> Motion:
    """Returns the motion with all people, and their roots, scaled to a height.

    Args:
        motion: Motion of any scale.
        height_m: Height of each person when standing, see `stature`.

    Raises:
        ValueError: If the height is not between 0.3 and 3 m.
    """
    if not 0.3 < height_m < 3:
        raise ValueError(
            "Expected a person's height between 0.3 and 3 metres, got "
            f"{height_m}"
        )

    def of_track(track):
        # The pose does not include the part below the ankle.
        stood = np.median(stature(track.poses_3d, motion.skeleton))
        times = (height_m - ANKLE_HEIGHT_M) / (stood - ANKLE_HEIGHT_M)
        return track._replace(
            poses_3d=track.poses_3d * times,
            spread_m=track.spread_m * times,
            root=None if track.root is None else track.root * times,
        )

    return motion.noted(
        f"All sizes assume a height of {height_m:g} m.",
        tracks=tuple(of_track(track) for track in motion.tracks),
    )


def stature(poses_3d: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Returns the height of a person when standing straight.

    It is the sum of the links from head to hip, of the thigh and the shank
    (averaged over both sides), and of 0.09 m from the ankle to the sole. It
    does not depend on the posture.

    Args:
        poses_3d: (..., J, 3) metres.
        skeleton: Skeleton of the J joints.

    Returns:
        (...) metres.
    """

    def chain(joint):
        """Returns the length of the links from a joint to the hip."""
        length = 0.0
        while (parent := skeleton.parents[joint]) >= 0:
            link = poses_3d[..., joint, :] - poses_3d[..., parent, :]
            length = length + np.linalg.norm(link, axis=-1)
            joint = parent
        return length

    joints = skeleton.joints
    legs = [
        chain(joints.index(side + "Foot")) - chain(joints.index(side + "Hip"))
        for side in "LR"
    ]
    return chain(joints.index("Head")) + sum(legs) / 2 + ANKLE_HEIGHT_M


def solve(
    poses_3d: np.ndarray,
    keypoints_px: np.ndarray,
    weights: np.ndarray,
    camera: Camera,
) -> np.ndarray:
    """Returns the roots for which poses project onto keypoints.

    Minimises the sum over the joints of weight x squared distance in pixels.
    The linear equations x - u z = 0, y - v z = 0 of each joint in direction
    (u, v, 1) give the start; Gauss-Newton steps on the pixels follow.

    Args:
        poses_3d: (F, J, 3) metres, camera frame, relative to the root.
        keypoints_px: (F, J, 2) pixels; ignored for joints of weight 0.
        weights: (F, J), at least 0.
        camera: Camera whose focal length and centre are used.

    Returns:
        (F, 3) metres. NaN in frames without a solution: fewer than four
        weights above 0, joints that coincide, or a pose that only fits behind
        the camera.
    """
    root = np.full((len(poses_3d), 3), np.nan)
    for start in range(0, len(poses_3d), _BLOCK):
        rows = slice(start, start + _BLOCK)
        told, found = _solve(
            # Frames come last, so that they are contiguous in memory.
            np.asarray(poses_3d[rows], np.float64).transpose(2, 1, 0).copy(),
            np.asarray(keypoints_px[rows], np.float64).transpose(2, 1, 0),
            np.asarray(weights[rows], np.float64).T.copy(),
            np.asarray(camera.focal_length, np.float64)[:, None, None],
            np.asarray(camera.center, np.float64)[:, None, None],
        )
        root[rows][told] = found.T
    return root


def _solve(pose, pixels, weights, focal, center):
    """Solves a block, (3, J, F), (2, J, F) and (J, F).

    Returns:
        Indices of the K frames with a solution (K,), and their roots (3, K).
    """
    pixels = np.where(weights > 0, pixels, 0.0)
    rays = (pixels - center) / focal
    told = np.flatnonzero((weights > 0).sum(axis=0) >= _FEWEST_JOINTS)
    told = told[_spread(rays[..., told], weights[:, told]) > _LEAST_SPREAD]
    pose, weights = pose[..., told], weights[:, told]
    found = _linear(pose, rays[..., told], weights)
    ahead = _least_depth(found, pose, weights) > _LEAST_DEPTH_M
    told = told[ahead]
    found = _gauss_newton(
        found[:, ahead],
        pose[..., ahead],
        pixels[..., told],
        weights[:, ahead],
        focal,
        center,
    )
    return told, found


def _placed(track: LiftedTrack, camera) -> LiftedTrack:
    weights = np.where(track.seen, np.maximum(track.scores, 0), 0)
    root = solve(track.poses_3d, track.keypoints_px, weights, camera)
    told = np.isfinite(root).all(axis=1)
    if not told.any():
        return track._replace(root=None)
    root = np.stack(
        [
            np.interp(track.frames, track.frames[told], values)
            for values in root[told].T
        ],
        axis=1,
    )
    return track._replace(root=root)


def _spread(rays, weights):
    """Returns the weighted standard deviation of directions, (F,)."""
    share = weights / weights.sum(axis=0)
    centred = rays - (share * rays).sum(axis=1, keepdims=True)
    return np.sqrt((share * centred**2).sum(axis=(0, 1)))


def _linear(pose, rays, weights):
    """Solves the joints' linear equations for the root, (3, F)."""
    sides = rays * pose[2] - pose[:2]
    return _normal_equations(np.ones_like(rays), -rays, sides, weights)


def _gauss_newton(root, pose, aims, weights, focal, center):
    # Joints of weight 0 may be behind the camera.
    pose = np.where(weights > 0, pose, 0.0)
    for _ in range(_GAUSS_NEWTON_STEPS):
        joints = root[:, None] + pose
        depth = joints[2]
        rays = joints[:2] / depth
        across = focal / depth
        sides = aims - (rays * focal + center)
        step = _normal_equations(across, -across * rays, sides, weights)
        tried = root + step
        ahead = _least_depth(tried, pose, weights) > _LEAST_DEPTH_M
        root = np.where(ahead, tried, root)
    return root


def _normal_equations(across, along, sides, weights):
    """Solves weighted least squares per frame for (x, y, z), (3, F).

    Args:
        across: (2, J, F), factors of x and y in the equation of each
            coordinate of a joint.
        along: (2, J, F), factors of z.
        sides: (2, J, F), right-hand sides.
        weights: (J, F).
    """
    by_across, by_along = weights * across, weights * along
    # The matrix is [[a, 0, c], [0, b, d], [c, d, e]]: x and y are eliminated.
    squares = (by_across * across).sum(axis=1)  # (2, F), a and b.
    mixed = (by_across * along).sum(axis=1)
    ends = (by_across * sides).sum(axis=1)
    share = mixed / squares
    z = (by_along * sides).sum(axis=(0, 1)) - (share * ends).sum(axis=0)
    z /= (by_along * along).sum(axis=(0, 1)) - (share * mixed).sum(axis=0)
    return np.concatenate([(ends - mixed * z) / squares, z[None]])


def _least_depth(root, pose, weights):
    return (root[2] + np.where(weights > 0, pose[2], 0)).min(axis=0)


def _times(size):
    return f"{size[0]}x{size[1]}"
