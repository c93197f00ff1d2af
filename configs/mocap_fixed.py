r"""AMPose of width 128 on real motion, seen by fixed cameras.

The baseline for recipes on motion archives: ground-truth 2D, four
Human3.6M-like cameras around each trial, every frame once per camera and
epoch; validation on subjects that are not in the training data.

    python train.py --config=configs/mocap_fixed.py \
        --config.data.root=DIR --workdir=runs/fixed

DIR contains the archive cmu17.npz and its JSON.
"""

from ampose_tf.config import Config, Data, Model, Train


def get_config() -> Config:
    return Config(
        data=Data(
            dataset="mocap",
            train_subjects=(),
            validation_subjects=(),
            validation_stride=5,
        ),
        model=Model(width=128),
        train=Train(
            epochs=4, batch_size=256, learning_rate=1e-3, schedule="cosine"
        ),
    )
