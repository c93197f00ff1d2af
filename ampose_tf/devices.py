"""The devices of one machine that share the steps of a training run.

Each of them holds all weights, computes its part of every batch, and makes
the same update from the sum of all gradients (`tf.distribute`'s
`MirroredStrategy`). `model.fit` runs the loop, as on one device.
"""

import os

import keras

from ampose_tf.config import Config


def check_machine() -> None:
    """Raises a ValueError if the environment describes several machines."""
    if os.environ.get("TF_CONFIG"):
        raise ValueError(
            "TF_CONFIG is set, but training on several machines is not "
            "supported: Keras's fit does not work under "
            "MultiWorkerMirroredStrategy (keras-team/keras#20585); unset "
            "TF_CONFIG to train on this machine"
        )


def strategy_for(config: Config):
    """Returns the `MirroredStrategy` of a config, None for one device.

    "All" are all GPUs that TensorFlow sees or, without any, all logical CPU
    devices; if that is a single one, it says so.

    Raises:
        ValueError: If Keras's backend is not TensorFlow, or the batch cannot
            be split evenly.
    """
    if config.train.devices == "one":
        return None
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "train.devices: all devices need KERAS_BACKEND=tensorflow, got "
            f"{keras.backend.backend()}; expected one"
        )
    import tensorflow as tf

    found = [device.name for device in _devices(tf)]
    if len(found) == 1:
        print(
            "train.devices=all: this machine has one device, "
            f"{found[0].removeprefix('/device:')}",
            flush=True,
        )
        return None
    if config.train.batch_size % len(found):
        raise ValueError(
            f"train.batch_size: {config.train.batch_size} is not divisible by "
            f"the {len(found)} devices of train.devices=all"
        )
    return tf.distribute.MirroredStrategy(found)


def _devices(tf):
    devices = tf.config.list_logical_devices
    return devices("GPU") or devices("CPU")


def split(batches, strategy):
    """Returns the batches of all devices, a `tf.distribute` dataset.

    Each device computes a part of consecutive poses, and the mean of their
    losses is the batch's. An epoch's last batch, if its size is not divisible
    by their number, is computed by each device as a whole, which makes the
    same update as on one device.

    Args:
        batches: A `tf.data.Dataset` of (inputs, targets), (B, ...).
        strategy: Of `strategy_for`.
    """
    import tensorflow as tf

    number = strategy.num_replicas_in_sync

    def parts(*batch):
        size = tf.shape(batch[-1])[0]
        index = tf.range(size)
        if size % number != 0:
            index = tf.tile(index, [number])
        return tf.nest.map_structure(
            lambda array: tf.reshape(
                tf.gather(array, index), (number, -1, *array.shape[1:])
            ),
            batch,
        )

    # One after the other, as the devices take them.
    of_devices = batches.map(parts).unbatch().prefetch(tf.data.AUTOTUNE)
    return strategy.distribute_datasets_from_function(lambda _: of_devices)


def validation_size(count: int, size: int, strategy) -> int:
    """Returns the largest batch size that Keras can split evenly at first.

    The last batch may be any: Keras weighs by poses.

    Args:
        count: Validation poses.
        size: Largest batch.
        strategy: Of `strategy_for`, or None.

    Raises:
        ValueError: If there are fewer poses than devices.
    """
    number = 1 if strategy is None else strategy.num_replicas_in_sync
    if count < number:
        raise ValueError(
            f"{count} validation poses cannot be split over {number} devices; "
            "expected more poses, or train.devices=one"
        )
    return max(min(size, count) // number, 1) * number
