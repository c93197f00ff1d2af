r"""ampose_b on real motion: the paper's size, for a GPU.

The recipe of mocap_s, whose docstring explains it, at a third of its learning
rate. Nobody has trained it to the end yet.

    python train.py --config=configs/mocap_b.py \
        --config.data.root=DIR --workdir=runs/mocap_b
"""

from ampose_tf.config import SIZES, Config, Data, Model, Train


def get_config() -> Config:
    return Config(
        data=Data(
            dataset="mocap",
            train_subjects=(),
            validation_subjects=(),
            archives=("cmu17", "cmu_daz17"),
            validation_stride=5,
            training_cameras="drawn",
        ),
        model=Model(**SIZES["ampose_b"], seen_input=True, frame="person"),
        train=Train(
            epochs=10,
            batch_size=256,
            loss="mean_distance",
            learning_rate=3e-4,
            schedule="cosine",
            # All batches have one size, which XLA compiles once.
            jit_compile=True,
        ),
    )
