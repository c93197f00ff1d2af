r"""AMPose on Human3.6M: 2D keypoints detected by a fine-tuned CPN, 16 joints.

The paper's recipe: depth 5, width 512, squared error, Adam at 2.5e-5 times
0.98 per epoch, batches of 128, 50 epochs over every frame of S1, S5, S6, S7
and S8. The paper's figure on S9 and S11 is 50.5 mm MPJPE. This code's has not
been measured yet, because the data is licensed.

    python train.py --config=configs/h36m_cpn_16.py --workdir=runs/h36m_cpn_16
    python evaluate.py --config=configs/h36m_cpn_16.py \
        --model=runs/h36m_cpn_16/last.keras

Validation is on S9 and S11, as all peers do, so best.keras is chosen on the
test subjects; the headline figure is last.keras.
Needs data/data_3d_h36m.npz and data/data_2d_h36m_cpn_ft_h36m_dbb.npz.
"""

from ampose_tf.config import Config, Data, Model


def get_config() -> Config:
    return Config(
        data=Data(keypoints="cpn_ft_h36m_dbb", joints=16),
        model=Model(normalisation="width"),
    )
