"""The whole workflow in minutes: a small AMPose on generated motion.

The motion is procedural (ampose_tf/data/synthetic.py), in Human3.6M's format
and seen by Human3.6M's cameras, but no person has ever moved like this: the
figures show that the code works, and nothing about Human3.6M.

    python train.py --config=configs/demo.py --workdir=runs/demo

creates the files in data/synthetic and trains on five of its subjects.
"""

from ampose_tf.config import Config, Data, Model, Train


def get_config() -> Config:
    return Config(
        data=Data(
            dataset="synthetic",
            root="data/synthetic",
            # Neighbouring frames, 20 ms apart, add nothing.
            train_stride=5,
            validation_stride=25,
        ),
        model=Model(depth=3, width=64, normalisation="width"),
        # A small network on little data: a hundred times the paper's rate.
        train=Train(
            epochs=12, batch_size=128, learning_rate=2e-3, schedule="cosine"
        ),
    )
