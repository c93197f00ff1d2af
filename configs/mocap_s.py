r"""ampose_s on real motion: AMPose of width 128 for anybody's camera.

Every pose of every epoch is given a new body, and many are varied; each is
seen by a new camera and a new imperfect detector (ampose_tf/config/ranges.py),
and the network is told which joints were seen. Validation is that of
mocap_fixed: people whom training never sees, before Human3.6M-like cameras,
every joint exact.

    python train.py --config=configs/mocap_s.py \
        --config.data.root=DIR --workdir=runs/mocap_s

DIR holds the archives cmu17, cmu_daz_rest17, cmu_more17 and uiprmd17, each an
.npz and a JSON. On one H200, under KERAS_BACKEND=jax, the run took seven
minutes beside two others. benchmarks/real_motion.py judges the result under
all conditions, benchmarks/real_detections.py on real people.
"""

from ampose_tf.config import SIZES, Config, Data, Model, Train


def get_config() -> Config:
    return Config(
        data=Data(
            dataset="mocap",
            train_subjects=(),
            # UIPRMD10 does exercises, which are judged by themselves.
            validation_subjects=("CMU03", "CMU09", "CMU35", "CMU93", "CMU131"),
            archives=("cmu17", "cmu_daz_rest17", "cmu_more17", "uiprmd17"),
            validation_stride=5,
            training_cameras="drawn",
            poses_per_epoch=524288,
        ),
        model=Model(**SIZES["ampose_s"], seen_input=True, frame="person"),
        train=Train(
            epochs=30,
            batch_size=512,
            loss="joints_and_bones",
            learning_rate=1.4e-3,
            schedule="cosine",
            # All batches have one size, which XLA compiles once.
            jit_compile=True,
        ),
    )
