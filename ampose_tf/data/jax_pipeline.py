"""Draws batches from `Motion3D` with JAX on its device, without TensorFlow."""

from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax import numpy as jnp

from ampose_tf.config import Data
from ampose_tf.data import sampling
from ampose_tf.data.augmentation import drawing
from ampose_tf.data.mocap import Motion3D


def make_motion_batches(
    motion: Motion3D,
    data: Data,
    batch_size: int,
    seed: int,
    seen_input: bool,
) -> Callable[..., Iterator]:
    """Same as `pipeline.make_motion_batches`, with other random numbers.

    The function returns a generator of arrays. For a given kind of device and
    version of JAX, batches depend only on (seed, epoch, step). Motion is
    copied to the device once; batches are drawn and kept there.
    """

    @jax.jit
    def batch(joints, cumulative, key, epoch, step):
        key = jax.random.fold_in(jax.random.fold_in(key, epoch), step)
        random = _Keyed(key)
        index = drawing.frames(cumulative, random.uniform((batch_size,)))
        mirrored = random.uniform((batch_size,)) < 0.5
        # By default, GPUs round coordinates to 11 bits: millimetres.
        with jax.default_matmul_precision("highest"):
            return drawing.drawn(
                joints[index], mirrored, data, random, seen_input
            )

    shares = sampling.shares(motion, data.balance)
    joints = jnp.asarray(motion.joints)
    cumulative = jnp.asarray(np.cumsum(shares), jnp.float32)
    # With threefry, JAX's default, a batch takes a minute to compile.
    key = jax.random.key(seed, impl="rbg")

    def batches(epochs, first_step=0):
        for epoch in epochs:
            first = first_step if epoch == epochs.start else 0
            for step in range(first, data.poses_per_epoch // batch_size):
                yield batch(joints, cumulative, key, epoch, step)

    return batches


class _Keyed:
    """A `randomness.Source`; the same key draws the same numbers."""

    def __init__(self, key):
        self._keys = iter(jax.random.split(key, 256))

    def uniform(self, shape):
        return jax.random.uniform(next(self._keys), shape)

    def normal(self, shape):
        return jax.random.normal(next(self._keys), shape)
