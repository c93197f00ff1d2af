"""Draws training subjects at random, seen by random cameras.

Training data of the doctor's small networks, see `symptoms`.
"""

import numpy as np

from ampose_tf.config.ranges import Bodies, Viewpoints
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data.augmentation import bodies, viewpoints
from ampose_tf.lifting.doctor import symptoms
from ampose_tf.skeleton import H36M_17
from benchmarks import damages

DRAWN = 4096
# Smallest number of frames of a clip.
FEWEST = 8
# People nearer to the camera and farther from the image's centre, and cameras
# that are less level and higher than in the training of the lifters.
_VIEWPOINTS = Viewpoints(
    fit=0.8, off_center=0.7, height_m=(0.15, 4.0), roll_deg=35.0
)
_COCO = CONVERSIONS["COCO-17"]
_MIRRORED = list(H36M_17.mirrored)
_JOINT = {name: index for index, name in enumerate(H36M_17.joints)}
_LEFT_LEG, _RIGHT_LEG = [4, 5, 6], [1, 2, 3]
_LEFT_ARM, _RIGHT_ARM = [11, 12, 13], [14, 15, 16]
# What an image may not show.
_HIDDEN = (
    *(_LEFT_LEG, _RIGHT_LEG, _LEFT_ARM, _RIGHT_ARM),
    *(_LEFT_LEG[1:], _RIGHT_LEG[1:], _LEFT_ARM[1:], _RIGHT_ARM[1:]),
    *([3, 6], [13, 16], [9, 10], [8, 9, 10]),
    _LEFT_LEG[1:] + _RIGHT_LEG[1:],
    _LEFT_LEG + _RIGHT_LEG,
    _LEFT_LEG + _LEFT_ARM,
    _RIGHT_LEG + _RIGHT_ARM,
)


class _Uniform:
    """A `randomness.Source`; the same seed draws the same person."""

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)

    def uniform(self, shape):
        return self._random.random(shape, np.float32)


class People:
    """Training subjects, drawn at random and seen by random cameras."""

    def __init__(self, motion, seed):
        self._motion = motion
        self._random = np.random.default_rng(seed)
        count = np.bincount(motion.trials)
        self._last = np.cumsum(count)[motion.trials] - 1
        self._first = self._last + 1 - count[motion.trials]
        # Trials of several minutes, and subjects with half of the frames,
        # must not outweigh the others.
        weight = np.sqrt(count)
        owner = np.array([n.split("/")[0] for n in motion.trial_names])
        total = {name: weight[owner == name].sum() for name in set(owner)}
        weight /= np.sqrt([total[name] for name in owner])
        self._share = (weight / count)[motion.trials]
        self._share /= self._share.sum()
        frames = np.arange(len(motion.joints))
        ends = [
            motion.joints[np.clip(frames + away, self._first, self._last), 0]
            for away in (-9, 9)
        ]
        moved = np.linalg.norm(ends[1] - ends[0], axis=1)
        self._moving = self._share * np.clip(moved / 0.4, 0.15, 1)
        self._moving /= self._moving.sum()

    def postures(self):
        """Returns features and class numbers of `symptoms.POSTURES`."""
        random = self._random
        frames = random.choice(len(self._share), DRAWN, p=self._share)
        exact, half_image, size = self._seen(frames[:, None])
        exact = self._detected(exact[:, 0], size[:, 0], 0.03)
        h36m, coco = exact[:, :17], exact[:, 17:]
        kinds = random.choice(5, DRAWN, p=(0.36, 0.16, 0.16, 0.16, 0.16))
        right = np.where(
            random.random((DRAWN, 1, 1)) < 0.45, _COCO.convert(coco), h36m
        )
        # This network is not meant to detect swapped sides.
        sides = random.random(DRAWN) < np.where(kinds == 0, 0.3, 0.5)
        right[sides] = right[sides][:, _MIRRORED]
        right[kinds == 1, :, 1] *= -1
        right[kinds == 2] = right[kinds == 2][..., ::-1]
        # Nor squeezed images.
        squeezed = random.random(DRAWN) < 0.3
        right[squeezed, :, 0] *= np.exp(
            random.uniform(-1.2, 1.2, (squeezed.sum(), 1))
        )
        right[kinds == 3] = right[kinds == 3][..., ::-1] * (-1, 1)
        for i in np.flatnonzero(kinds == 4):
            right[i] = self._disordered(h36m[i], coco[i], right[i])
        return symptoms.posture_features(
            right, self._hidden(limbs=0.25)
        ), kinds

    def movements(self):
        """Returns features of undamaged clips, and with sides swapped."""
        random = self._random
        middle = random.choice(len(self._share), DRAWN, p=self._moving)
        # Videos have 23 to 90 frames per second, motion capture 30.
        step = random.choice([1, 2, 3, 4], (DRAWN, 1), p=(0.1, 0.2, 0.5, 0.2))
        away = np.arange(symptoms.STEPS) - symptoms.STEPS // 2
        # The person stands still at both ends of a clip.
        ends = random.random((DRAWN, 2)) < 0.1
        stop = np.where(ends, random.integers(0, 3, (DRAWN, 2)), 3)
        away = np.clip(away, -stop[:, :1], stop[:, 1:])
        frames = np.clip(
            middle[:, None] + step * away,
            self._first[middle, None],
            self._last[middle, None],
        )
        exact, half_image, size = self._seen(frames)
        exact = np.where(
            random.random((DRAWN, 1, 1, 1)) < 0.45,
            _COCO.convert(exact[:, :, 17:]),
            exact[:, :, :17],
        )
        found = self._detected(exact, size, 0.02)
        seen = self._hidden()
        known = np.where(random.random(DRAWN) < 0.7, 1.0, np.nan)
        return (
            symptoms.movement_features(found, seen, known),
            symptoms.movement_features(
                found[:, :, _MIRRORED], seen[:, _MIRRORED], known
            ),
        )

    def clips(self):
        """Returns clips (B, CLIP, 17, 2), seen joints, and their octaves.

        Octaves are logarithms of the time between two frames, over 1/30 s. A
        trial that is too short is played back and forth.
        """
        random = self._random
        count = DRAWN // 4
        rows = random.choice(len(self._share), count, p=self._moving)
        first, last = self._first[rows, None], self._last[rows, None]
        octaves = random.uniform(
            symptoms.OCTAVES[0], symptoms.OCTAVES[-1], count
        )
        octaves[random.random(count) < 0.3] = 0
        frames = (
            rows[:, None]
            - first
            + 2 ** octaves[:, None] * np.arange(symptoms.CLIP)
        )
        length = np.maximum(last - first, 1)
        frames = np.abs((frames + length) % (2 * length) - length)
        exact, _, size = self._seen(first + frames, first, last)
        exact = np.where(
            random.random((count, 1, 1, 1)) < 0.45,
            _COCO.convert(exact[:, :, 17:]),
            exact[:, :, :17],
        )
        found = self._detected(exact, size, 0.02, most_own=1.8)
        # Shorter clips.
        shorter = np.where(
            random.random(count) < 0.3,
            random.integers(FEWEST, symptoms.CLIP, count),
            symptoms.CLIP,
        )
        rows = symptoms.back_and_forth(shorter[:, None])
        found = np.take_along_axis(found, rows[..., None, None], axis=1)
        seen = np.repeat(self._hidden(count)[:, None], symptoms.CLIP, axis=1)
        seen &= random.random(seen.shape) > 0.05 * random.random((count, 1, 1))
        seen |= seen.sum(axis=2, keepdims=True) < 4
        return found, seen, octaves

    def _world(self, frames, first, last):
        """Returns joints (..., 17, 3) between frames, by cubic splines."""
        whole = np.floor(frames).astype(int)
        part = (frames - whole)[..., None, None]
        before, here, after, beyond = (
            self._motion.joints[np.clip(whole + away, first, last)]
            for away in (-1, 0, 1, 2)
        )
        # Catmull-Rom splines.
        return here + part / 2 * (
            after
            - before
            + part
            * (
                2 * before
                - 5 * here
                + 4 * after
                - beyond
                + part * (3 * (here - after) + beyond - before)
            )
        )

    def _seen(self, frames, first=None, last=None):
        """Returns 34 joints (B, T, 34, 2), half images and sizes.

        Each row of frames shows one body seen by one camera, which is aimed at
        the frame in the middle. With `first` and `last` (B, 1) of the trials,
        frames may be fractional.
        """
        random = self._random
        if first is None:
            world = self._motion.joints[frames]
        else:
            world = self._world(frames, first, last)
        world = world.astype(np.float32)
        mirrored = world[:, :, _MIRRORED] * np.float32([-1, 1, 1])
        flip = random.random((len(frames), 1, 1, 1)) < 0.5
        world = np.where(flip, mirrored, world)
        seed = random.integers(2**60)
        world = np.stack(
            [
                np.asarray(
                    bodies.resized(world[:, t], 1.0, Bodies(), _Uniform(seed))
                )
                for t in range(world.shape[1])
            ],
            axis=1,
        )
        joints = np.concatenate(
            [world, damages.as_detected(world, _COCO)], axis=2
        )
        middle = world[:, world.shape[1] // 2, :1]
        views = viewpoints.seen(
            np.concatenate(
                [middle, joints.reshape(len(frames), -1, 3)], axis=1
            ).astype(np.float32),
            _VIEWPOINTS,
            _Uniform(random.integers(2**60)),
        )
        points = np.asarray(views.keypoints_2d)[:, 1:].reshape(
            *joints.shape[:3], 2
        )
        return (
            points,
            np.asarray(views.half_image),
            np.asarray(views.person_size)[..., None],
        )

    def _detected(self, points, size, most, most_own=1.0):
        """Adds errors, part of which last as long as the movement.

        With `most_own` above 1, more of them belong to single frames.
        """
        random = self._random
        shape = (len(points),) + (1,) * (points.ndim - 1)
        level = np.exp(random.uniform(np.log(0.002), np.log(most), shape))
        level = level * (random.random(shape) > 0.3)
        own = random.normal(size=points.shape)
        own *= np.where(random.random(points.shape[:-1] + (1,)) < 0.02, 5, 1)
        if points.ndim == 4:
            lasting = random.normal(size=(len(points), 1, *points.shape[2:]))
            share = np.minimum(1, random.uniform(0, most_own, shape))
            own = np.sqrt(share) * own + np.sqrt(1 - share) * lasting
        return points + level * size.reshape(shape) * own

    def _hidden(self, count=DRAWN, limbs=0.15):
        """Returns (B, 17), which joints are seen: at least four."""
        random = self._random
        share = 0.25 * random.random((count, 1))
        share *= random.random((count, 1)) < 0.5
        seen = random.random((count, 17)) >= share
        for row in np.flatnonzero(random.random(count) < limbs):
            seen[row, _HIDDEN[random.integers(len(_HIDDEN))]] = False
        return seen | (seen.sum(axis=1, keepdims=True) < 4)

    def _disordered(self, h36m, coco, right):
        random = self._random
        order = list(damages.ORDERS.values())[
            random.integers(len(damages.ORDERS))
        ]
        way = random.random()
        if way < 0.2:
            return coco
        if way < 0.25:
            # PoseTrack's eyes are not used here.
            true = ("trt_pose-18", "BODY_25B")[random.integers(2)]
            claimed = CONVERSIONS[damages.NEAR[true]]
            return claimed.convert(damages.near(coco, true))
        if way < 0.4:
            return _COCO.convert(h36m)
        if way < 0.47:
            return h36m[list(order)]
        if way < 0.5:
            return _COCO.convert(h36m[list(order)])
        if way < 0.6:
            return h36m[np.argsort(order)]
        if way < 0.75:
            whose = h36m if random.random() < 0.5 else coco
            return whose[random.permutation(17)]
        if way < 0.88:
            return _COCO.convert(coco[random.permutation(17)])
        some = random.choice(17, random.integers(5, 12), replace=False)
        shuffled = right.copy()
        shuffled[some] = right[random.permutation(some)]
        return shuffled
