r"""Trains the weights of ampose_tf/lifting/doctor/symptoms.py.

    python -m benchmarks.symptoms --mocap=DIR \
        --output=ampose_tf/lifting/doctor/symptoms.npz

DIR contains the archives cmu17, cmu_more17, cmu_daz_rest17 and uiprmd17. Their
training subjects, with bodies drawn as in training, seen by cameras that look
down more steeply and roll more, with a detector's errors, are written
correctly or in one of the wrong ways, and small networks learn to tell which.
Takes about ten minutes on two cores.
"""

import time

import keras
import numpy as np
from absl import flags

from ampose_tf import config, files
from ampose_tf.data import mocap
from ampose_tf.lifting.doctor import symptoms
from benchmarks.drawn_people import DRAWN, People

_ARCHIVES = ("cmu17", "cmu_more17", "cmu_daz_rest17", "uiprmd17")
# Factors by which images are made narrower or wider.
_SQUEEZED = (1.3, 2.2)


def dense(name, widths, features, outputs):
    """Returns a network, and a function that returns what to store of it."""
    values = inputs = keras.Input((features,))
    layers = [
        keras.layers.Dense(width, activation="relu") for width in widths
    ] + [keras.layers.Dense(outputs)]
    for layer in layers:
        values = layer(values)

    def stored():
        # Float16 is exact enough for comparisons with thresholds.
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
        model.fit(*draw(), batch_size=DRAWN // 2, verbose=0)
        if step % 50 == 0 or step == steps:
            seconds = time.perf_counter() - started
            print(f"{step:5} {seconds:6.0f} s {validate():.4f}", flush=True)


def clips_of(people, draws):
    """Returns features and classes of aspects, and of paces."""
    found = [[], [], [], []]
    random = np.random.default_rng(draws)
    for _ in range(draws):
        pixels, seen, octaves = people.clips()
        kinds = random.choice(3, len(pixels), p=(0.4, 0.3, 0.3))
        ratio = np.exp(random.uniform(*np.log(_SQUEEZED), len(pixels)))
        across = np.where(
            kinds == 1, 1 / ratio, np.where(kinds == 2, ratio, 1)
        )
        scale = np.stack([across, np.ones_like(across)], axis=1)
        nearest = np.abs(octaves[:, None] - symptoms.OCTAVES).argmin(axis=1)
        for parts, part in zip(
            found,
            (
                symptoms.aspect_features(pixels * scale[:, None, None], seen),
                kinds,
                symptoms.pace_features(pixels, seen),
                nearest,
            ),
            strict=True,
        ):
            parts.append(part)
    return [np.concatenate(parts) for parts in found]


def fit_pool(model, drawn, others, epochs):
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                2e-3, epochs * len(drawn[0]) // 1024
            ),
            weight_decay=1e-3,
            clipnorm=1.0,
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        *drawn,
        batch_size=1024,
        epochs=epochs,
        validation_data=others,
        verbose=2,
    )


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
        "Output .npz file.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "steps",
        300,
        "Batches in each network's training.",
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
    print("postures: share recognised, validation subjects")
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
    # The logarithm of how much likelier the first is than the second, so
    # exchanging them only changes the sign.
    compared = keras.Model(pair, sides(pair[1]) - sides(pair[0]))
    ones = np.ones((DRAWN, 1), np.float32)
    print("sides: share recognised, of people who move")
    fit(
        compared,
        keras.losses.BinaryCrossentropy(from_logits=True),
        lambda: (list(people.movements())[::-1], ones),
        lambda: np.mean(compared.predict([swapped, right], verbose=0) > 0),
        2 * options.steps,
    )

    shapes, squeezed, moves, octaves = clips_of(people, options.steps)
    others_shapes, others_squeezed, others_moves, others_octaves = clips_of(
        others, 16
    )
    aspect, stored_aspect = dense(
        "aspect", (160, 64), shapes.shape[1], len(symptoms.ASPECTS)
    )
    print("aspects: share recognised")
    fit_pool(aspect, (shapes, squeezed), (others_shapes, others_squeezed), 12)
    pace, stored_pace = dense(
        "pace", (192, 96), moves.shape[1], len(symptoms.OCTAVES)
    )
    print("paces: share recognised to half an octave")
    fit_pool(pace, (moves, octaves), (others_moves, others_octaves), 12)
    with files.replacing(options.output) as path:
        np.savez_compressed(
            path,
            **stored_posture(),
            **stored_sides(),
            **stored_aspect(),
            **stored_pace(),
        )


if __name__ == "__main__":
    config.run(main, define_flags)
