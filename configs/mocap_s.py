r"""ampose_s on real motion: AMPose of width 128 for anybody's camera.

Every pose of every epoch is seen by a new camera, on a new body, by a new
imperfect detector (ampose_tf/config/ranges.py); the network is told which
joints were seen. Validation is that of mocap_fixed: people whom training
never sees, before Human3.6M-like cameras, every joint exact.

    python train.py --config=configs/mocap_s.py \
        --config.data.root=DIR --workdir=runs/mocap_s

DIR holds the archives cmu17, cmu_daz_rest17, cmu_more17 and uiprmd17, each an
.npz and a JSON.
benchmarks/real_motion.py judges the result under all conditions.
"""

from ampose_tf.config import SIZES, Config, Data, Model, Train


def get_config() -> Config:
    return Config(
        data=Data(
            dataset="mocap",
            train_subjects=(),
            validation_subjects=(),
            archives=("cmu17", "cmu_daz_rest17", "cmu_more17", "uiprmd17"),
            validation_stride=5,
            training_cameras="drawn",
        ),
        model=Model(**SIZES["ampose_s"], seen_input=True, frame="person"),
        train=Train(
            epochs=10,
            batch_size=256,
            loss="mean_distance",
            learning_rate=1e-3,
            schedule="cosine",
            # All batches have one size, which XLA compiles once.
            jit_compile=True,
        ),
    )
