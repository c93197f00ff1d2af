"""Users' changes to their keypoints, and differences between detectors.

Shared by the training, the benchmark and the tests of the doctor.
"""

import numpy as np

from ampose_tf.conversion import CONVERSIONS, Conversion
from ampose_tf.lifting.keypoints import SKELETONS, Keypoints, Track
from ampose_tf.skeleton import H36M_17

_INDEX = {joint: index for index, joint in enumerate(H36M_17.joints)}
# Positions on an adult's head, in metres from the middle of the ears: to the
# person's left, forward and up, of each left point. Estimated, not measured.
_HEAD = {
    "ear": (0.075, 0.0, 0.0),
    "eye": (0.032, 0.09, 0.03),
    "nose": (0.0, 0.115, -0.01),
}
_BODY = {
    "shoulder": "Shoulder",
    "elbow": "Elbow",
    "wrist": "Wrist",
    "hip": "Hip",
    "knee": "Knee",
    "ankle": "Foot",
}


def as_detected(joints: np.ndarray, skeleton: Conversion) -> np.ndarray:
    """Returns the joints of a detector's skeleton, derived from 17 joints.

    The face is placed on the head and turned like the shoulders.

    Args:
        joints: (..., 17, 3) metres, Human3.6M's joints.
        skeleton: COCO-17 or another whose joints are Human3.6M's, a face,
            `neck`, `head` and `hip`.

    Returns:
        (..., S, 3) metres.
    """

    def at(name):
        return joints[..., _INDEX[name], :]

    shoulders = (at("LShoulder") + at("RShoulder")) / 2
    ears = (at("Head") + 0.1 * shoulders) / 1.1
    up = _unit(ears - at("Thorax"))
    left = at("LShoulder") - at("RShoulder")
    left = _unit(left - np.sum(left * up, axis=-1, keepdims=True) * up)
    forward = np.cross(left, up)
    middle = {
        "neck": shoulders,
        "head": at("Head"),
        "hip": at("Hip"),
        "mid_hip": at("Hip"),
    }
    points = []
    for name in skeleton.joints:
        side, _, joint = name.rpartition("_")
        if name in middle:
            points.append(middle[name])
        elif joint in _BODY:
            points.append(at(side[0].upper() + _BODY[joint]))
        else:
            aside, ahead, above = _HEAD[joint]
            aside *= {"left": 1, "right": -1, "": 0}[side]
            points.append(ears + aside * left + ahead * forward + above * up)
    return np.stack(points, axis=-2)


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


# Human3.6M's joint for each joint in the order of another dataset.
ORDERS = {
    "MPI-INF-3DHP": (10, 8, 14, 15, 16, 11, 12, 13)
    + (1, 2, 3, 4, 5, 6, 0, 7, 9),
    "legs first, then arms, then trunk": (1, 2, 3, 4, 5, 6, 11, 12, 13)
    + (14, 15, 16, 0, 7, 8, 9, 10),
    "side by side": (0, 4, 1, 5, 2, 6, 3, 7, 8, 9, 10, 11, 14, 12, 15, 13, 16),
    "from the head down": (10, 9, 8, 11, 14, 12, 15, 13, 16)
    + (7, 0, 4, 1, 5, 2, 6, 3),
}


def one_person(
    pixels: np.ndarray,
    skeleton: str,
    image_size: tuple[int, int],
    scores: np.ndarray | None = None,
) -> Keypoints:
    """Returns a clip of one person, pixels (F, S, 2), always seen."""
    if scores is None:
        scores = np.ones(pixels.shape[:2])
    track = Track(
        0,
        np.arange(len(pixels)),
        pixels.astype(np.float32),
        scores.astype(np.float32),
    )
    return Keypoints(skeleton, image_size, None, len(pixels), (track,))


def moved(clip: Keypoints, change) -> Keypoints:
    """Returns the clip with `change` applied to all pixels (F, S, 2)."""
    return clip._replace(
        tracks=tuple(
            track._replace(pixels=np.asarray(change(track.pixels), np.float32))
            for track in clip.tracks
        )
    )


def _kept(clip, rows, renumbered):
    tracks = []
    for track in clip.tracks:
        frames = np.arange(len(rows)) if renumbered else track.frames[rows]
        tracks.append(
            Track(
                track.track_id, frames, track.pixels[rows], track.scores[rows]
            )
        )
    return clip._replace(tracks=tuple(tracks))


def mirrored(clip):
    return list(SKELETONS[clip.skeleton].mirrored)


def _swapped(clip, parts):
    """Swaps left and right of joints whose names contain one of `parts`."""
    joints = SKELETONS[clip.skeleton].joints
    other = mirrored(clip)
    order = [
        other[row] if any(part in name.lower() for part in parts) else row
        for row, name in enumerate(joints)
    ]
    return moved(clip, lambda pixels: pixels[:, order])


def _resized(clip, factor):
    size = tuple(round(factor * side) for side in clip.image_size)
    return clip._replace(image_size=size)


def _scaled(clip, factor):
    middle = np.array(clip.image_size) / 2
    return moved(clip, lambda pixels: middle + factor * (pixels - middle))


def _cropped(clip, random, kept):
    """Cuts off 20 to 50 % of the person at one of the image's borders."""
    (track,) = clip.tracks
    points = track.pixels.reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    axis, end = random.integers(2, size=2)
    share = random.uniform(0.2, 0.5)
    size, corner = np.array(clip.image_size), np.zeros(2)
    if end:
        size[axis] = round(high[axis] - share * (high - low)[axis])
    else:
        corner[axis] = round(low[axis] + share * (high - low)[axis])
        size[axis] -= corner[axis]
    pixels = track.pixels - corner
    scores = track.scores
    if not kept:
        outside = ((pixels < 0) | (pixels > size)).any(axis=2)
        pixels = np.where(outside[..., None], 0, pixels)
        scores = np.where(outside, 0, scores)
    width, height = (int(side) for side in size)
    return one_person(pixels, clip.skeleton, (width, height), scores)


def _frames_lost(clip, random, renumbered):
    """Removes 4 to 8 successive frames."""
    count = len(clip.tracks[0].frames)
    lost = random.integers(4, 9)
    first = random.integers(4, count - lost - 3)
    rows = np.delete(np.arange(count), slice(first, first + lost))
    return _kept(clip, rows, renumbered)


def _reordered(clip, order):
    return moved(clip, lambda pixels: pixels[:, list(order)])


def _claimed(clip):
    """Labels Human3.6M's joints as COCO's, and the other way round."""
    other = {"H36M-17": "COCO-17", "COCO-17": "H36M-17"}
    return clip._replace(skeleton=other[clip.skeleton])


def _squeezed(clip, along, ratio):
    """Returns the clip as if the image had been squeezed in one direction."""
    factor = np.ones(2)
    factor[along] = 1 / ratio
    size = tuple(np.round(factor * clip.image_size).astype(int).tolist())
    return moved(clip, lambda pixels: factor * pixels)._replace(
        image_size=size
    )


def _turned_image(clip, quarters):
    """Returns the clip of a video turned clockwise by quarter turns."""
    width, height = clip.image_size
    if quarters == 2:
        return moved(clip, lambda pixels: (width, height) - pixels)
    factor, origin = np.array(
        {1: ((-1, 1), (height, 0)), 3: ((1, -1), (0, width))}[quarters]
    )
    turned = moved(clip, lambda pixels: factor * pixels[..., ::-1] + origin)
    return turned._replace(image_size=(height, width))


def _as_3d(clip, unit):
    """Returns x and y as of 3D joints relative to the hip, 1.7 m tall."""
    hips = [
        row
        for row, name in enumerate(SKELETONS[clip.skeleton].joints)
        if name in ("Hip", "left_hip", "right_hip")
    ]
    (track,) = clip.tracks
    pixels = track.pixels - track.pixels[:, hips].mean(axis=1, keepdims=True)
    low, high = np.quantile(pixels[..., 1], (0.02, 0.98))
    metres = 1.6 * pixels / (high - low)
    return moved(clip, lambda _: unit * metres)._replace(image_size=None)


_COCO = CONVERSIONS["COCO-17"].joints
_FEET = ("big_toe", "small_toe", "heel")
# Skeletons with nearly the same joints, and what they are mistaken for.
NEAR = {"trt_pose-18": "COCO-18", "BODY_25B": "BODY_25"}
NEAR |= {"PoseTrack-17": "COCO-17"}


def near(coco: np.ndarray, skeleton: str) -> np.ndarray:
    """Returns the joints of one of `NEAR` from COCO's (..., 17, 2)."""
    places = {name: coco[..., row, :] for row, name in enumerate(_COCO)}

    def mean(part):
        return (places[f"left_{part}"] + places[f"right_{part}"]) / 2

    for name in ("neck", "upper_neck", "head_bottom"):
        places[name] = mean("shoulder")
    places["head_top"] = mean("ear") + 0.6 * (mean("ear") - mean("shoulder"))
    for side in ("left", "right"):
        shin = places[f"{side}_ankle"] - places[f"{side}_knee"]
        for part, ahead, below in zip(
            _FEET, (0.4, 0.3, -0.15), (0.15, 0.15, 0.1), strict=True
        ):
            away = below * shin + ahead * shin[..., ::-1] * (1, -1)
            places[f"{side}_{part}"] = places[f"{side}_ankle"] + away
    return np.stack(
        [places[name] for name in CONVERSIONS[skeleton].joints], axis=-2
    )


def _near_clip(clip, skeleton):
    """Returns a COCO-17 clip in one skeleton, labelled as another."""
    (track,) = clip.tracks
    # Scores of joints missing in COCO: the shoulders', ears' and ankles'.
    other = dict.fromkeys(("neck", "upper_neck", "head_bottom"), _COCO[5])
    other["head_top"] = "left_ear"
    for side in ("left", "right"):
        other |= {f"{side}_{part}": f"{side}_ankle" for part in _FEET}
    rows = [
        _COCO.index(other.get(name, name))
        for name in CONVERSIONS[skeleton].joints
    ]
    return one_person(
        near(track.pixels, skeleton),
        NEAR[skeleton],
        clip.image_size,
        track.scores[:, rows],
    )


def _size(clip):
    return np.array(clip.image_size)


# (kind of the finding, damage): function of a clip of one person and a random
# number generator.
DAMAGES = {
    ("normalised", "to [0, 1]"): lambda clip, random: moved(
        clip, lambda pixels: pixels / _size(clip)
    ),
    ("normalised", "to [-1, 1]"): lambda clip, random: moved(
        clip, lambda pixels: (2 * pixels - _size(clip)) / max(clip.image_size)
    ),
    ("normalised", "from the centre"): lambda clip, random: moved(
        clip, lambda pixels: pixels - _size(clip) / 2
    ),
    ("normalised", "from the hip"): lambda clip, random: moved(
        clip,
        lambda pixels: (
            pixels
            - pixels[
                :,
                [
                    row
                    for row, joint in enumerate(
                        SKELETONS[clip.skeleton].joints
                    )
                    if joint in ("Hip", "left_hip")
                ],
            ]
        ),
    ),
    ("y_up", "height - y"): lambda clip, random: moved(
        clip,
        lambda pixels: (
            np.array([0, clip.image_size[1]]) + np.array([1, -1]) * pixels
        ),
    ),
    ("y_up", "-y"): lambda clip, random: moved(
        clip, lambda pixels: np.array([1, -1]) * pixels
    ),
    ("xy_swapped", ""): lambda clip, random: moved(
        clip, lambda pixels: pixels[..., ::-1]
    ),
    ("order", "H36M as COCO, or COCO as H36M"): lambda clip, random: _claimed(
        clip
    ),
    ("order", "MPI-INF-3DHP's"): lambda clip, random: _reordered(
        clip, ORDERS["MPI-INF-3DHP"]
    ),
    ("order", "shuffled"): lambda clip, random: _reordered(
        clip, random.permutation(17)
    ),
    ("order", "trt_pose-18 as COCO-18"): lambda clip, random: _near_clip(
        clip, "trt_pose-18"
    ),
    ("order", "BODY_25B as BODY_25"): lambda clip, random: _near_clip(
        clip, "BODY_25B"
    ),
    ("order", "PoseTrack-17 as COCO-17"): lambda clip, random: _near_clip(
        clip, "PoseTrack-17"
    ),
    ("sides_swapped", "all"): lambda clip, random: _reordered(
        clip, mirrored(clip)
    ),
    ("sides_swapped", "legs"): lambda clip, random: _swapped(
        clip, ("hip", "knee", "foot", "ankle")
    ),
    ("sides_swapped", "body, not face"): lambda clip, random: _swapped(
        clip,
        ("hip", "knee", "foot", "ankle", "shoulder", "elbow", "wrist"),
    ),
    ("image_size", "half"): lambda clip, random: _resized(clip, 0.5),
    ("image_size", "twice"): lambda clip, random: _resized(clip, 2),
    ("image_size", "1.5 times"): lambda clip, random: _resized(clip, 1.5),
    ("image_size", "exchanged"): lambda clip, random: clip._replace(
        image_size=clip.image_size[::-1]
    ),
    ("cut_off", "not seen outside"): lambda clip, random: _cropped(
        clip, random, kept=False
    ),
    ("cut_off", "seen outside"): lambda clip, random: _cropped(
        clip, random, kept=True
    ),
    ("cut_off", "not seen, size unknown"): lambda clip, random: _cropped(
        clip, random, kept=False
    )._replace(image_size=None),
    ("scale", "a sixth"): lambda clip, random: _scaled(clip, 1 / 6),
    ("scale", "6 times"): lambda clip, random: _scaled(clip, 6),
    ("missing_frames", "with their numbers"): lambda clip, random: (
        _frames_lost(clip, random, renumbered=False)
    ),
    ("missing_frames", "renumbered"): lambda clip, random: _frames_lost(
        clip, random, renumbered=True
    ),
    ("turned", "clockwise"): lambda clip, random: _turned_image(clip, 1),
    ("turned", "counter-clockwise"): lambda clip, random: _turned_image(
        clip, 3
    ),
    ("turned", "upside down"): lambda clip, random: _turned_image(clip, 2),
    ("aspect", "16:9 squeezed to a square"): lambda clip, random: _squeezed(
        clip, 0, 16 / 9
    ),
    ("aspect", "9:16 squeezed to a square"): lambda clip, random: _squeezed(
        clip, 1, 16 / 9
    ),
    ("aspect", "4:3 squeezed to a square"): lambda clip, random: _squeezed(
        clip, 0, 4 / 3
    ),
    ("aspect", "16:9 for 9:16"): lambda clip, random: _squeezed(
        clip, 1, (16 / 9) ** 2
    ),
    ("is_3d", "metres"): lambda clip, random: _as_3d(clip, 1),
    ("is_3d", "millimetres"): lambda clip, random: _as_3d(clip, 1000),
    ("frame_rate", "120 for 30"): lambda clip, random: clip._replace(fps=120),
    ("frame_rate", "240 for 30"): lambda clip, random: clip._replace(fps=240),
    ("frame_rate", "7.5 for 30"): lambda clip, random: clip._replace(fps=7.5),
}
