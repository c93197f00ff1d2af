r"""Makes the weights of ampose_tf/lifting/doctor/symptoms.py.

    python -m benchmarks.symptoms --mocap=DIR \
        --output=ampose_tf/lifting/doctor/symptoms.npz

DIR holds the archives cmu17 and cmu_daz17. Their training subjects, on bodies
and before cameras drawn as in training, with a detector's errors, are written
as they should be or in one of the wrong ways; two small networks learn to
tell. At most a quarter of an hour on one core.
"""

import time

import keras
import numpy as np
from absl import flags

from ampose_tf import config, files
from ampose_tf.config.ranges import Bodies, Viewpoints
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data import mocap
from ampose_tf.data.augmentation import bodies, viewpoints
from ampose_tf.lifting.doctor import symptoms
from ampose_tf.skeleton import H36M_17
from benchmarks import damages

_ARCHIVES = ("cmu17", "cmu_daz17")
_DRAWN = 4096
# People nearer to the camera, farther from the image's centre, and cameras
# held less level than those that lifting trains with.
_VIEWPOINTS = Viewpoints(fit=0.8, off_center=0.7, roll_deg=12.0)
_COCO = CONVERSIONS["COCO-17"]
_MIRRORED = list(H36M_17.mirrored)
_JOINT = {name: index for index, name in enumerate(H36M_17.joints)}
_LEFT_LEG, _RIGHT_LEG = [4, 5, 6], [1, 2, 3]
_LEFT_ARM, _RIGHT_ARM = [11, 12, 13], [14, 15, 16]
# What a picture may not show.
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
    """See `randomness.Source`; the same seed gives the same person."""

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)

    def uniform(self, shape):
        return self._random.random(shape, np.float32)


class People:
    """Training subjects, drawn and seen by cameras of their own."""

    def __init__(self, motion, seed):
        self._motion = motion
        self._random = np.random.default_rng(seed)
        count = np.bincount(motion.trials)
        self._last = np.cumsum(count)[motion.trials] - 1
        self._first = self._last + 1 - count[motion.trials]
        # Trials of some minutes, and subjects of half of the frames, must
        # not outweigh the others.
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
        """Returns features and numbers of `symptoms.POSTURES`."""
        random = self._random
        frames = random.choice(len(self._share), _DRAWN, p=self._share)
        exact, half_image, size = self._seen(frames[:, None])
        exact = self._detected(exact[:, 0], size[:, 0], 0.03)
        h36m, coco = exact[:, :17], exact[:, 17:]
        kinds = random.choice(4, _DRAWN, p=(0.4, 0.2, 0.2, 0.2))
        right = np.where(
            random.random((_DRAWN, 1, 1)) < 0.45, _COCO.convert(coco), h36m
        )
        # It is not for this network to tell.
        sides = random.random(_DRAWN) < 0.3
        right[sides] = right[sides][:, _MIRRORED]
        right[kinds == 1, :, 1] *= -1
        right[kinds == 2] = right[kinds == 2][..., ::-1]
        for i in np.flatnonzero(kinds == 3):
            right[i] = self._disordered(h36m[i], coco[i], right[i])
        return symptoms.posture_features(right, self._hidden()), kinds

    def movements(self):
        """Returns features as they should be, and with sides swapped."""
        random = self._random
        middle = random.choice(len(self._share), _DRAWN, p=self._moving)
        # Films of 23 to 90 frames a second; motion capture has 30.
        step = random.choice([1, 2, 3, 4], (_DRAWN, 1), p=(0.1, 0.2, 0.5, 0.2))
        away = np.arange(symptoms.STEPS) - symptoms.STEPS // 2
        # At its ends a clip stands still.
        ends = random.random((_DRAWN, 2)) < 0.1
        stop = np.where(ends, random.integers(0, 3, (_DRAWN, 2)), 3)
        away = np.clip(away, -stop[:, :1], stop[:, 1:])
        frames = np.clip(
            middle[:, None] + step * away,
            self._first[middle, None],
            self._last[middle, None],
        )
        exact, half_image, size = self._seen(frames)
        exact = np.where(
            random.random((_DRAWN, 1, 1, 1)) < 0.45,
            _COCO.convert(exact[:, :, 17:]),
            exact[:, :, :17],
        )
        found = self._detected(exact, size, 0.02)
        seen = self._hidden()
        known = np.where(random.random(_DRAWN) < 0.7, 1.0, np.nan)
        return (
            symptoms.movement_features(found, seen, known),
            symptoms.movement_features(
                found[:, :, _MIRRORED], seen[:, _MIRRORED], known
            ),
        )

    def _seen(self, frames):
        """Returns 34 joints (B, T, 34, 2), half images and sizes.

        Each row of frames is of one body, before one camera, which looks at
        the frame in the middle.
        """
        random = self._random
        world = self._motion.joints[frames].astype(np.float32)
        mirrored = world[:, :, _MIRRORED] * np.float32([-1, 1, 1])
        flip = random.random((len(frames), 1, 1, 1)) < 0.5
        world = np.where(flip, mirrored, world)
        seed = random.integers(2**60)
        world = np.stack(
            [
                np.asarray(
                    bodies.resized(world[:, t], Bodies(), _Uniform(seed))
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

    def _detected(self, points, size, most):
        """Adds errors, which partly last as long as the movement."""
        random = self._random
        shape = (len(points),) + (1,) * (points.ndim - 1)
        level = np.exp(random.uniform(np.log(0.002), np.log(most), shape))
        level = level * (random.random(shape) > 0.3)
        own = random.normal(size=points.shape)
        own *= np.where(random.random(points.shape[:-1] + (1,)) < 0.02, 5, 1)
        if points.ndim == 4:
            lasting = random.normal(size=(len(points), 1, *points.shape[2:]))
            share = random.random(shape)
            own = np.sqrt(share) * own + np.sqrt(1 - share) * lasting
        return points + level * size.reshape(shape) * own

    def _hidden(self):
        """Returns (B, 17), which joints are seen: four at least."""
        random = self._random
        share = 0.25 * random.random((_DRAWN, 1))
        share *= random.random((_DRAWN, 1)) < 0.5
        seen = random.random((_DRAWN, 17)) >= share
        for row in np.flatnonzero(random.random(_DRAWN) < 0.15):
            seen[row, _HIDDEN[random.integers(len(_HIDDEN))]] = False
        return seen | (seen.sum(axis=1, keepdims=True) < 4)

    def _disordered(self, h36m, coco, right):
        random = self._random
        order = list(damages.ORDERS.values())[
            random.integers(len(damages.ORDERS))
        ]
        way = random.random()
        if way < 0.25:
            return coco
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


def dense(name, widths, features, outputs):
    """Returns a network, and what to store of it."""
    values = inputs = keras.Input((features,))
    layers = [
        keras.layers.Dense(width, activation="relu") for width in widths
    ] + [keras.layers.Dense(outputs)]
    for layer in layers:
        values = layer(values)

    def stored():
        # Float16 is exact enough for what is compared with thresholds.
        return {
            f"{name}/{number}/{part}": np.float16(weight)
            for number, layer in enumerate(layers)
            for part, weight in zip(
                ("kernel", "bias"), layer.get_weights(), strict=True
            )
        }

    return keras.Model(inputs, values), stored


def fit(model, loss, draw, validate, steps):
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(2e-3, 2 * steps),
            weight_decay=1e-4,
            clipnorm=1.0,
        ),
        loss,
    )
    started = time.perf_counter()
    for step in range(1, steps + 1):
        model.fit(*draw(), batch_size=_DRAWN // 2, verbose=0)
        if step % 50 == 0 or step == steps:
            seconds = time.perf_counter() - started
            print(f"{step:5} {seconds:6.0f} s {validate():.4f}", flush=True)


def define_flags(flag_values):
    flags.DEFINE_string(
        "mocap",
        None,
        "Folder of the motion archives.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "The .npz to write.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "steps",
        300,
        "Draws of each network's training.",
        flag_values=flag_values,
    )


def main(options):
    keras.utils.set_random_seed(0)
    people = People(mocap.load(options.mocap, _ARCHIVES, "train"), 0)
    others = People(mocap.load(options.mocap, ("cmu17",), "validation"), 1)

    posture, stored_posture = dense(
        "posture", (96, 48), 51, len(symptoms.POSTURES)
    )
    features, kinds = others.postures()
    print("postures: share of the validation subjects' that it tells")
    fit(
        posture,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        people.postures,
        lambda: np.mean(
            posture.predict(features, verbose=0).argmax(axis=1) == kinds
        ),
        options.steps,
    )

    right, swapped = others.movements()
    sides, stored_sides = dense("sides", (256, 128), right.shape[1], 1)
    pair = [keras.Input(right.shape[1:]) for _ in range(2)]
    # By how much the first is likelier than the second; so exchanging them
    # changes the sign and nothing else.
    compared = keras.Model(pair, sides(pair[1]) - sides(pair[0]))
    ones = np.ones((_DRAWN, 1), np.float32)
    print("sides: likewise, of those who move")
    fit(
        compared,
        keras.losses.BinaryCrossentropy(from_logits=True),
        lambda: (list(people.movements())[::-1], ones),
        lambda: np.mean(compared.predict([swapped, right], verbose=0) > 0),
        2 * options.steps,
    )
    with files.replacing(options.output) as path:
        np.savez_compressed(path, **stored_posture(), **stored_sides())


if __name__ == "__main__":
    config.run(main, define_flags)
