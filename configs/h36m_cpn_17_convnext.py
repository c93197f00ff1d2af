r"""AMPose on Human3.6M with another GCN block: convnext.

From the paper's Table 4 and Figure 3: a graph convolution in
place of the depth-wise one.
Otherwise as h36m_cpn_17. The paper's figure on S9 and S11 is 50.0 mm MPJPE.
This code's has not been measured yet, because the data is licensed.

    python train.py --config=configs/h36m_cpn_17_convnext.py \
        --workdir=runs/h36m_cpn_17_convnext
    python evaluate.py --config=configs/h36m_cpn_17_convnext.py \
        --model=runs/h36m_cpn_17_convnext/last.keras --table=4

Needs data/data_3d_h36m.npz and data/data_2d_h36m_cpn_ft_h36m_dbb.npz.
"""

from ampose_tf.config import Config, Data, Model


def get_config() -> Config:
    return Config(
        data=Data(keypoints="cpn_ft_h36m_dbb"),
        model=Model(normalisation="width", gcn="convnext"),
    )
