r"""Pose refinement on top of h36m_cpn_17; needs the truth at test time.

After the second stage of Cai et al.'s recipe (see models/refinement.py):
lifter and refinement are trained together at a small rate, on the sum of
their errors. Theirs uses AMSGrad, halves the rate every five epochs and adds
0.01 times the signed difference of left and right bones, which mirrored poses
cancel. It uses the hip's true distance and the camera's intrinsics, in
evaluation too. How the paper trained it is not known. The paper's figure on
S9 and S11 is 48.5 mm MPJPE. This code's has not been measured yet, because
the data is licensed.

    python train.py --config=configs/h36m_cpn_17.py --workdir=runs/h36m_cpn_17
    python train.py --config=configs/h36m_cpn_17_refined.py \
        --workdir=runs/h36m_cpn_17_refined
    python evaluate.py --config=configs/h36m_cpn_17_refined.py \
        --model=runs/h36m_cpn_17_refined/last.keras --table=1

Needs data/data_3d_h36m.npz and data/data_2d_h36m_cpn_ft_h36m_dbb.npz.
"""

from ampose_tf.config import Config, Data, Model, Train


def get_config() -> Config:
    return Config(
        data=Data(keypoints="cpn_ft_h36m_dbb"),
        model=Model(normalisation="width"),
        train=Train(
            lifter="runs/h36m_cpn_17/last.keras",
            epochs=10,
            batch_size=256,
            loss="mean_distance",
            learning_rate=1e-5,
            decay=0.95,
        ),
    )
