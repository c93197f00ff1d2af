r"""ampose_s on real motion: AMPose of width 128 for any camera.

In every epoch, each pose gets a new body, often a varied posture, a new camera
and a new imperfect detector (ampose_tf/config/ranges.py), and the network is
told which joints were seen. Validation is that of mocap_fixed: people who are
not in the training data, seen by Human3.6M-like cameras, with every joint
exact.

    python train.py --config=configs/mocap_s.py \
        --config.data.root=DIR --workdir=runs/mocap_s

DIR contains the archives cmu17, cmu_daz_rest17, cmu_more17 and uiprmd17, each
an .npz and a JSON. On one H200, with KERAS_BACKEND=jax, the run took seven
minutes next to two others. benchmarks/real_motion.py evaluates the result
under all conditions, benchmarks/real_detections.py on real people.
"""

from ampose_tf.config import SIZES, Config, Data, Model, Train


def get_config() -> Config:
    return Config(
        data=Data(
            dataset="mocap",
            train_subjects=(),
            # UIPRMD10 does exercises, which are evaluated separately.
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
            # Batches of one size, so that XLA compiles only once.
            jit_compile=True,
        ),
    )
