r"""Times a training step of `model.fit` next to PyTorch's.

    pip install -e '.[benchmark]'
    python -m benchmarks.train_step
    python -m benchmarks.train_step --width=512 --rounds=10

Compares Keras as train.py runs it, as a graph and compiled by XLA, with
PyTorch eager and with torch.compile (which needs a C++ compiler). Network,
weights, batch, loss and optimiser are the same, on all cores; Keras's step
also updates the running means of loss and MPJPE that fit shows. Every round
runs some steps of each, in a random order, so that other load on the machine
affects them equally. The allocator is set as in train.py, for all of them.
"""

import datetime
import importlib.metadata
import importlib.util
import os
import platform
import time

import numpy as np
from absl import flags

from ampose_tf import config

_STEPS = 4  # per variant and round
_RATE = 1e-3


def define_flags(flag_values):
    flags.DEFINE_multi_integer(
        "width",
        [128, 512],
        "Number of channels; may be given more than once.",
        lower_bound=8,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "rounds",
        12,
        "Number of rounds.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "batch_size",
        256,
        "Poses per step.",
        lower_bound=1,
        flag_values=flag_values,
    )


def main(options):
    if importlib.util.find_spec("torch") is None:
        raise ValueError(
            "torch is not installed: pip install -e '.[benchmark]'"
        )
    from ampose_tf import training

    training.keep_freed_memory()
    random = np.random.default_rng(0)
    keypoints_2d = random.uniform(-1, 1, (options.batch_size, 17, 2))
    poses_3d = random.normal(0, 0.3, (options.batch_size, 17, 3))
    batch = keypoints_2d.astype(np.float32), poses_3d.astype(np.float32)
    for width in options.width:
        steps = _make(width, batch)
        print(_table(width, _time(steps, options.rounds)), flush=True)
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("tensorflow", "keras", "torch")
    )
    print(
        f"Depth 5, batch {options.batch_size}, float32, "
        f"{os.cpu_count()} cores of "
        f"{platform.processor() or platform.machine()}; {versions}; "
        f"{options.rounds} rounds of {_STEPS} steps; "
        f"{datetime.date.today().isoformat()}."
    )


def _make(width, batch):
    """Returns {name: function that runs a number of training steps}."""
    import keras

    from ampose_tf.models.ampose import AMPose
    from ampose_tf.skeleton import H36M_17
    from benchmarks import torch_peer

    keras.utils.set_random_seed(0)
    model = AMPose(H36M_17.adjacency(), width=width)
    peer = torch_peer.peer_of(model)
    return {
        "torch.compile": torch_steps(peer, batch, compiled=True),
        "torch eager": torch_steps(torch_peer.peer_of(model), batch),
        "Keras graph": keras_steps(model.rebuilt(), batch),
        "Keras XLA": keras_steps(model, batch, jit_compile=True),
    }


def keras_steps(model, batch, jit_compile=False):
    """Returns a function that runs training steps as `fit` does.

    Args:
        model: An `AMPose`.
        batch: keypoints_2d and poses_3d.
        jit_compile: Whether XLA compiles the step.

    Returns:
        A function of the number of steps that returns the loss.
    """
    import tensorflow as tf

    from ampose_tf import training

    recipe = config.Train(learning_rate=_RATE, jit_compile=jit_compile)
    training.compile_for(model, config.Config(train=recipe), 10**9)
    batches = iter(tf.data.Dataset.from_tensors(batch).cache().repeat())
    # What fit calls for each step, without its work around an epoch.
    model.make_train_function()

    def steps(count):
        for _ in range(count):
            logs = model.train_function(batches)
        return float(logs["loss"])

    return steps


def torch_steps(peer, batch, compiled=False):
    """Does the same as `keras_steps`, in PyTorch."""
    import torch

    keypoints_2d, poses_3d = map(torch.tensor, batch)
    optimizer = torch.optim.Adam(peer.parameters(), _RATE)
    called = torch.compile(peer) if compiled else peer

    def steps(count):
        for _ in range(count):
            optimizer.zero_grad()
            difference = called(keypoints_2d) - poses_3d
            loss = difference.square().sum(dim=-1).mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    return steps


def _time(steps, rounds):
    """Returns {name: (rounds, 2) seconds of wall and processor per step}."""
    for take in steps.values():
        take(_STEPS)  # traces and compiles
    seconds = {name: [] for name in steps}
    names = list(steps)
    random = np.random.default_rng(0)
    for _ in range(rounds):
        for name in random.permutation(names):
            wall, processor = time.perf_counter(), time.process_time()
            steps[name](_STEPS)
            seconds[name].append(
                [
                    (time.perf_counter() - wall) / _STEPS,
                    (time.process_time() - processor) / _STEPS,
                ]
            )
    return {name: np.array(measured) for name, measured in seconds.items()}


def _table(width, seconds):
    first = next(iter(seconds))
    lines = [
        f"| width {width} | ms a step | ms of processor | to {first} | "
        "likewise, processor |",
        "|---|---|---|---|---|",
    ]
    for name, measured in seconds.items():
        wall, processor = 1e3 * np.median(measured, axis=0)
        ratios = np.median(measured / seconds[first], axis=0)
        lines.append(
            f"| {name} | {wall:.0f} | {processor:.0f} | × {ratios[0]:.2f} | "
            f"× {ratios[1]:.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    config.run(main, define_flags)
