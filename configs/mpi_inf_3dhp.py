r"""AMPose on MPI-INF-3DHP's test set, which is never trained on.

Evaluates a model of configs/h36m_gt_17.py; nothing is trained here:

    python evaluate.py --config=configs/mpi_inf_3dhp.py \
        --model=runs/h36m_gt_17/last.keras

The paper's figures are 86.1 (GS), 87.5 (noGS), 87.4 (Outdoor) and 87.0 (all)
PCK and 55.2 AUC. It does not say which of its models reached them, nor whether
the official 14 joints were counted or all: the report prints both. This code's
have not been measured yet.

The second candidate is the model of h36m_cpn_17; for models of 16 joints add
--config.data.joints=16. The keypoints are the data set's own, normalised by
the width of each sequence's images.
Needs data/mpi_inf_3dhp_test.npz, which

    python -m ampose_tf.data.prepare mpi_inf_3dhp --source=DIR --output=data

creates from the official test set.
"""

from ampose_tf.config import Config, Data, Model


def get_config() -> Config:
    return Config(
        data=Data(
            dataset="mpi_inf_3dhp", train_subjects=(), validation_subjects=()
        ),
        model=Model(normalisation="width"),
    )
