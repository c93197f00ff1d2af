r"""Trains a baseline exactly as AMPose is trained, and evaluates it equally.

    python -m benchmarks.baselines --config=configs/mocap_s.py \
        --config.data.root=DIR --baseline=residual_mlp \
        --workdir=runs/residual_mlp

Poses, their order, cameras, bodies, detector errors, steps, optimiser and
input channels are the same; only the network differs:

* residual_mlp: Martinez et al. (ICCV 2017): all joints in one vector; a
  dense layer, two residual blocks of two dense layers with batch norm, ReLU
  and dropout; four times the size of ampose_s.
* vanilla_gcn: one kernel for a joint and all its neighbours (the paper's
  equation 8), residual blocks of two layers; the size of ampose_s.
* transformer: only the encoder of AMPose; the size of ampose_s.
"""

import json
import pathlib

import keras
import numpy as np
from absl import flags

from ampose_tf import config, files, training
from ampose_tf.data import sources
from ampose_tf.models import elements, layers
from ampose_tf.models.inputs import InputChannels
from ampose_tf.models.recorder import LAST
from ampose_tf.skeleton import H36M_17
from benchmarks import conditions


def head(units):
    # Near zero, like AMPose's; other initial values slow down the start.
    start = keras.initializers.TruncatedNormal(stddev=1e-3)
    return keras.layers.Dense(units, kernel_initializer=start, name="out")


def residual_mlp(x, width=1060, dropout=0.25):
    def block(x, name):
        x = keras.layers.Dense(width, name=f"{name}_dense")(x)
        x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
        return keras.layers.Dropout(dropout)(keras.ops.relu(x))

    x = block(keras.layers.Flatten()(x), "in")
    for i in (1, 2):
        x = x + block(block(x, f"block_{i}_1"), f"block_{i}_2")
    x = head(3 * len(H36M_17.joints))(x)
    return keras.layers.Reshape((len(H36M_17.joints), 3))(x)


def vanilla_gcn(x, width=256, blocks=9):
    graph = H36M_17.partition().sum(axis=0)  # A + I
    root = np.sqrt(graph.sum(axis=1))
    graph = (graph / np.outer(root, root))[None]

    def conv(x, name):
        x = layers.PartitionedGraphConv(width, graph, name=f"{name}_conv")(x)
        x = elements.layer_norm(f"{name}_norm", "float32")(x)
        return elements.exact_gelu(x)

    x = conv(x, "in")
    for i in range(1, blocks + 1):
        x = x + conv(conv(x, f"block_{i}_1"), f"block_{i}_2")
    return head(3)(x)


def transformer(x, width=128, depth=9):
    x = keras.layers.Dense(width, name="in")(x)
    for i in range(1, depth + 1):
        x = layers.PositionEmbedding(name=f"position_{i}")(x)
        x = layers.TransformerEncoder(width, 8, name=f"encoder_{i}")(x)
    return head(3)(x)


BASELINES = {
    function.__name__: function
    for function in (residual_mlp, vanilla_gcn, transformer)
}


@keras.saving.register_keras_serializable(package="ampose_tf_benchmarks")
class Baseline(keras.Model):
    """A baseline with AMPose's inputs, in float32."""

    def __init__(self, kind, seen_input, frame, **kwargs):
        joints = len(H36M_17.joints)
        inputs = x = keras.Input((joints, 2), name="keypoints_2d")
        if seen_input:
            seen = keras.Input((joints,), name="seen")
            inputs = {"keypoints_2d": x, "seen": seen}
            x = [x, seen]
        x = InputChannels(frame, name="channels")(x)
        super().__init__(inputs, BASELINES[kind](x), **kwargs)
        self.kind = kind
        self.seen_input = seen_input
        self.frame = frame

    def get_config(self):
        return {
            "kind": self.kind,
            "seen_input": self.seen_input,
            "frame": self.frame,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def rebuilt(self):
        """Returns an uncompiled copy, see `AMPose.rebuilt`."""
        copy = type(self)(**self.get_config())
        copy.set_weights(self.get_weights())
        return copy


class _Predictor:
    """Replaces the result of `load_predictor` for a baseline."""

    skeleton = H36M_17

    def __init__(self, model):
        self.seen_input = model.seen_input
        self._model = model

    def __call__(self, keypoints_2d, seen=None):
        inputs = keypoints_2d
        if self.seen_input:
            if seen is None:
                seen = np.ones(keypoints_2d.shape[:2])
            inputs = {
                "keypoints_2d": keypoints_2d,
                "seen": np.asarray(seen, np.float32),
            }
        return self._model.predict(inputs, batch_size=512, verbose=0)


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_enum(
        "baseline",
        None,
        list(BASELINES),
        "The baseline network.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "workdir",
        None,
        "Folder of the run.",
        required=True,
        flag_values=flag_values,
    )


def main(options):
    experiment = options.config
    motion = sources.load(experiment, "train")
    judged_on = conditions.conditions_of(experiment)
    keras.utils.set_random_seed(experiment.train.seed)
    model = Baseline(
        options.baseline, experiment.model.seen_input, experiment.model.frame
    )
    print(f"{options.baseline}: {model.count_params()} parameters")
    workdir = pathlib.Path(options.workdir)
    training.keep_freed_memory()
    training.train(
        experiment, motion, judged_on["fixed"].poses, workdir, model
    )
    last = keras.models.load_model(workdir / LAST)
    judged = conditions.judge(_Predictor(last), judged_on)
    print(conditions.as_text(judged))
    files.write_text(
        workdir / "conditions.json", json.dumps(judged, indent=2) + "\n"
    )


if __name__ == "__main__":
    config.run(main, define_flags)
