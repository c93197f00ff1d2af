"""Trains on several devices of one machine.

Each device has a copy of all weights and computes a part of every batch. All
devices apply the same update, from the sum of all gradients (`tf.distribute`'s
`MirroredStrategy`). `model.fit` runs the loop, as on one device.
"""

import os

import keras

from ampose_tf.config import Config


def check_machine() -> None:
    """Raises a ValueError if TF_CONFIG describes several machines."""
    if os.environ.get("TF_CONFIG"):
        raise ValueError(
            "TF_CONFIG is set, but training on several machines is not "
            "supported: Keras's fit does not work under "
            "MultiWorkerMirroredStrategy (keras-team/keras#20585); unset "
            "TF_CONFIG to train on this machine"
        )


def strategy_for(config: Config):
    """Returns the `MirroredStrategy` of a config, or None for one device.

    "all" means all GPUs that TensorFlow finds, or all logical CPU devices if
    there are no GPUs. If there is only one device, a message is printed and
    None is returned.

    Raises:
        ValueError: If Keras's backend is not TensorFlow, or the batch size is
            not divisible by the number of devices.
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
    """Splits batches into parts for devices.

    Each device computes a part of consecutive poses; the mean of the devices'
    losses is the batch's loss. If the size of an epoch's last batch is not
    divisible by the number of devices, each device computes the whole batch,
    which leads to the same update as on one device.

    Args:
        batches: A `tf.data.Dataset` of (inputs, targets), (B, ...).
        strategy: Result of `strategy_for`.

    Returns:
        A `tf.distribute` dataset.
    """
    import tensorflow as tf

    number = strategy.num_replicas_in_sync

    def parts(*batch):
        size = tf.shape(batch[-1])[0]
        repeats = tf.where(size % number == 0, 1, number)
        index = tf.tile(tf.range(size), [repeats])
        return tf.nest.map_structure(
            lambda array: tf.reshape(
                tf.gather(array, index), (number, -1, *array.shape[1:])
            ),
            batch,
        )

    # Consecutive elements are for consecutive devices.
    of_devices = batches.map(parts).unbatch().prefetch(tf.data.AUTOTUNE)
    return strategy.distribute_datasets_from_function(lambda _: of_devices)


def validation_size(count: int, size: int, strategy) -> int:
    """Returns the largest validation batch size that devices can share evenly.

    The last batch may have any size, as Keras weights by the number of poses.

    Args:
        count: Number of validation poses.
        size: Largest batch size.
        strategy: Result of `strategy_for`.

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
