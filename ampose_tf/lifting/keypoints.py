"""Keypoints of the people in a clip, from any detector."""

import math
import os
import pathlib
from typing import NamedTuple

import numpy as np
import orjson

from ampose_tf import files
from ampose_tf.conversion import CONVERSIONS, SEEN_SCORE, Conversion
from ampose_tf.lifting import own_skeleton, untrusted
from ampose_tf.skeleton import H36M_17

_H36M_17 = Conversion(
    name="H36M-17",
    joints=H36M_17.joints,
    sides=CONVERSIONS["H36M-16"].sides,
    weights={joint: {joint: 1.0} for joint in H36M_17.joints},
)

# All known skeletons of keypoint files.
SKELETONS = CONVERSIONS | {_H36M_17.name: _H36M_17}

# Distance at which similarity falls to 0.6, in diagonals of the body. COCO's
# constants (0.05 to 0.21 for nose to hips) are in roots of the body's area,
# each about half a diagonal.
_OKS_FALLOFF = 0.08


# By default, people with a lower score are left out. Tools that apply a
# threshold themselves use 0.25 or more (Ultralytics, MoveNet).
PERSON_SCORE = 0.2


class Track(NamedTuple):
    """One person over time.

    Attributes:
        track_id: Id in the file, or counted from 0 in order of appearance.
        frames: (F,) int64, increasing; frames without the person are left
            out.
        pixels: (F, S, 2) float32 in pixels of the image, in the order of the
            file's skeleton; (0, 0) for joints that were not seen.
        scores: (F, S) float32 in [0, 1]; 0 for joints that were not seen.
    """

    track_id: int
    frames: np.ndarray
    pixels: np.ndarray
    scores: np.ndarray


class Keypoints(NamedTuple):
    """The people of a clip.

    Attributes:
        skeleton: Name of one of `SKELETONS`, or of the user's own.
        image_size: (width, height) in pixels; None if unknown, or if the
            images have several sizes.
        fps: Frames per second; None if unknown.
        frame_count: Frames in the clip, including those without a person.
        tracks: At least one, in increasing order of their ids.
        notes: What was assumed, left out or not read: one sentence each, for
            the user.
        of_video: Whether `video.read_video` found the keypoints. The image
            size, the order of joints, the axes and the frame numbers are then
            certain, and the doctor does not check them.
    """

    skeleton: str
    image_size: tuple[int, int] | None
    fps: float | None
    frame_count: int
    tracks: tuple[Track, ...]
    notes: tuple[str, ...] = ()
    of_video: bool = False

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Writes a file from which `formats.read` restores the keypoints.

        The file is JSON in this project's own format, see
        `readers.forms.clip_forms`. A file that would be too large to be read
        back is not written. About 350,000 frames of one person found by
        `video.read_video`, three hours at 30 frames per second, reach the
        limit `untrusted.MAX_BYTES`.

        Args:
            path: Output path, which must end in `.json`. Missing folders are
                created.
            overwrite: Whether to replace an existing file.

        Raises:
            OSError: If the file exists or cannot be written.
            ValueError: If the path does not end in `.json`, the file would be
                too large, or a frame number is above `untrusted.MAX_FRAME`.
        """
        check_target(path, overwrite)
        if self.frame_count - 1 > untrusted.MAX_FRAME:
            raise ValueError(
                f"{path} is not written: frame {self.frame_count - 1} could "
                "not be read back; the highest frame number that is read is "
                f"{untrusted.MAX_FRAME}"
            )
        # Frames without a person are left out, except for the last frame,
        # which preserves the frame count, and for some frames of long clips:
        # numbers that are far apart are refused by the reader.
        people = {self.frame_count - 1: []}
        if self.frame_count > untrusted.HOUR:
            people |= {
                n: [] for n in range(0, self.frame_count, untrusted.SPARSE)
            }
        for track in self.tracks:
            for frame, pixels, scores in zip(
                track.frames.tolist(), track.pixels, track.scores, strict=True
            ):
                people.setdefault(frame, []).append(
                    {
                        "track_id": track.track_id,
                        "keypoints": np.ascontiguousarray(pixels),
                        "scores": np.ascontiguousarray(scores),
                    }
                )
        content = {
            "skeleton": self.skeleton,
            "image_size": self.image_size,
            "fps": self.fps,
            "notes": self.notes,
            "of_video": self.of_video,
            "frames": [
                {"frame": frame, "people": people[frame]}
                for frame in sorted(people)
            ],
        }
        # orjson writes the shortest decimals that restore the same float32.
        text = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        for size, most, what in (
            (len(text), untrusted.MAX_BYTES, "bytes"),
            (
                text.count(b"[") + text.count(b"{"),
                untrusted.MAX_NODES,
                "lists and objects",
            ),
            (len(people), untrusted.MAX_FRAMES, "frames"),
        ):
            if size > most:
                raise ValueError(
                    f"{path} is not written: it would have {size} {what}, but "
                    f"files with at most {most} can be read back; save the "
                    "keypoints of a part of the clip"
                )
        with files.replacing(path, overwrite) as temporary:
            temporary.write_bytes(text)


class Frame(NamedTuple):
    """The P people of one frame of a stream.

    Attributes:
        skeleton: As in `Keypoints`; None before the first person.
        index: Frame number, increasing.
        track_ids: (P,) int64; a person has the same id in every frame.
        pixels: (P, S, 2) float32, as in `Track`.
        scores: (P, S) float32, as in `Track`.
        notes: As in `Keypoints`; only notes that are new in this frame.
    """

    skeleton: str | None
    index: int
    track_ids: np.ndarray
    pixels: np.ndarray
    scores: np.ndarray
    notes: tuple[str, ...] = ()


def check_target(path: str | os.PathLike, overwrite: bool) -> None:
    """Checks that `Keypoints.save` may write a file.

    Raises:
        OSError: If the file exists and is not to be overwritten.
        ValueError: If its name does not end in `.json`.
    """
    if pathlib.Path(path).suffix != ".json":
        raise ValueError(
            f"{path}: keypoints are saved as JSON; expected a name that ends "
            "in .json"
        )
    files.check_free(path, overwrite)


def find_skeleton(name: str) -> Conversion:
    """Returns the known skeleton with the name.

    Raises:
        ValueError: If the name is unknown; the message lists the known ones.
    """
    if name not in SKELETONS:
        raise ValueError(
            f"unknown skeleton {name!r}; known: {', '.join(SKELETONS)}, or a "
            "JSON file that describes one of your own"
        )
    return SKELETONS[name]


def skeleton_of(
    named: str | os.PathLike | Conversion | None,
) -> Conversion | None:
    """Returns a skeleton by its name or from a file.

    Args:
        named: A name, see `find_skeleton`, or a file `*.json`, see
            `own_skeleton.load`. A `Conversion` or None is returned unchanged.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the name is unknown or the file is invalid.
    """
    if named is None or isinstance(named, Conversion):
        return named
    name = os.fspath(named)
    return (
        own_skeleton.load(name)
        if name.endswith(".json")
        else find_skeleton(name)
    )


def check_score(score: float, what: str) -> None:
    """Checks a score threshold for joints or people.

    Raises:
        ValueError: If the threshold is not from 0 to 1.
    """
    if not 0 <= score <= 1:
        raise ValueError(f"{what}: expected a score from 0 to 1, got {score}")


def is_seen(scores: np.ndarray, seen_score: float) -> np.ndarray:
    """Returns which joints count as seen; a score of 0 is never seen."""
    return (scores >= seen_score) & (scores > 0)


def diagonals(points: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """Returns the diagonal of the box around each person's joints.

    Args:
        points: (..., S, 2).
        placed: (..., S) bool, which joints count.

    Returns:
        (...,), in the unit of the points; 0 if no joint counts.
    """
    placed = placed[..., None]
    low = np.where(placed, points, np.inf).min(axis=-2)
    high = np.where(placed, points, -np.inf).max(axis=-2)
    width, height = np.moveaxis(np.maximum(high - low, 0), -1, 0)
    return np.hypot(width, height)


def similarity(
    points: np.ndarray,
    placed: np.ndarray,
    others: np.ndarray,
    others_placed: np.ndarray,
) -> np.ndarray:
    """Returns the object keypoint similarity of bodies, as defined by COCO.

    See https://cocodataset.org/#keypoints-eval. Here, all joints share one
    constant, and the scale comes from the diagonal of the larger body. The
    similarity is 1 for identical bodies and 0 for bodies that are far apart.

    Args:
        points: (..., S, 2).
        placed: (..., S) bool, which joints count.
        others: (..., S, 2); leading axes broadcast against those of `points`.
        others_placed: (..., S) bool.

    Returns:
        (...,) from 0 to 1; 0 if no joint counts in both.
    """
    both = placed & others_placed
    size = np.maximum(diagonals(points, placed), 1e-9)
    size = np.maximum(size, diagonals(others, others_placed))[..., None]
    square = ((points - others) ** 2).sum(axis=-1)
    alike = np.exp(-square / (2 * (_OKS_FALLOFF * size) ** 2))
    return (alike * both).sum(axis=-1) / np.maximum(both.sum(axis=-1), 1)


def convert(
    pixels: np.ndarray,
    scores: np.ndarray,
    skeleton: Conversion,
    seen_score: float = SEEN_SCORE,
) -> tuple[np.ndarray, np.ndarray]:
    """Converts joints to Human3.6M's 17.

    A converted joint is the weighted mean of its source joints. Its score is
    the lowest of theirs, since each of them moves it, including those with a
    negative weight.

    Args:
        pixels: (N, S, 2).
        scores: (N, S).
        skeleton: Skeleton of the S joints.
        seen_score: Lowest score of a joint that counts as seen. If a source
            joint is not seen, the alternatives of the converted joint are
            tried, see `conversion`.

    Returns:
        pixels (N, 17, 2), (0, 0) for unseen joints, and scores (N, 17),
        float32.

    Raises:
        ValueError: If the number of joints is not S.
    """
    made = skeleton.convert(pixels, scores, seen_score)
    made_scores = skeleton.convert_scores(scores, seen_score)
    made = np.where(made_scores[..., None] > 0, made, 0)
    return made.astype(np.float32), made_scores.astype(np.float32)


def to_h36m(
    keypoints: Keypoints,
    skeleton: Conversion | None = None,
    seen_score: float = SEEN_SCORE,
) -> Keypoints:
    """Converts every track to Human3.6M's 17 joints, see `convert`.

    Args:
        keypoints: Keypoints of any skeleton.
        skeleton: The user's own skeleton; None for one of `SKELETONS`.
        seen_score: See `convert`.

    Returns:
        Keypoints of the skeleton "H36M-17".

    Raises:
        ValueError: If the skeleton is unknown or is not that of the
            keypoints.
    """
    skeleton = skeleton or find_skeleton(keypoints.skeleton)
    if skeleton.name != keypoints.skeleton:
        raise ValueError(
            f"the keypoints have the skeleton {keypoints.skeleton}, expected "
            f"{skeleton.name}"
        )
    tracks = []
    for track in keypoints.tracks:
        pixels, scores = convert(
            track.pixels, track.scores, skeleton, seen_score
        )
        tracks.append(track._replace(pixels=pixels, scores=scores))
    return keypoints._replace(skeleton=_H36M_17.name, tracks=tuple(tracks))


def assumed_image_size(
    keypoints: Keypoints,
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Returns an assumed image for a clip of unknown image size.

    The image is the square around all people in the clip, enlarged by 25 %.
    Its centre takes the place of the camera's axis, which may actually be
    elsewhere: callers must report the assumption to their users.

    Returns:
        (side, side) in pixels, and the (x, y) of the square's corner in the
        file's pixels, to be subtracted from the keypoints.

    Raises:
        ValueError: If no joint is seen.
    """
    # Joints with low scores may be anywhere.
    for least in (SEEN_SCORE, 0.0):
        seen = [
            track.pixels[is_seen(track.scores, least)]
            for track in keypoints.tracks
        ]
        points = np.concatenate(seen).astype(np.float64)
        if len(points):
            break
    else:
        raise ValueError("no joint of any person is seen")
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(1, math.ceil(1.25 * float((high - low).max())))
    corner = (low + high) / 2 - side / 2
    return (side, side), (float(corner[0]), float(corner[1]))
