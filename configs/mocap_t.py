r"""ampose_t on real motion: depth 4 and width 64, a fifth of ampose_s.

The recipe of mocap_s, whose docstring explains it, at twice its learning
rate.

    python train.py --config=configs/mocap_t.py \
        --config.data.root=DIR --workdir=runs/mocap_t
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
        model=Model(**SIZES["ampose_t"], seen_input=True, frame="person"),
        train=Train(
            epochs=10,
            batch_size=256,
            loss="mean_distance",
            learning_rate=2e-3,
            schedule="cosine",
            # All batches have one size, which XLA compiles once.
            jit_compile=True,
        ),
    )
