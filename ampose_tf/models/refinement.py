"""Refines a lifted pose in camera space, using its keypoints.

After Cai et al., "Exploiting Spatial-temporal Relationships for 3D Pose
Estimation via Graph Convolutional Networks" (ICCV 2019), as used by Zou and
Tang and by the paper. It needs the true distance of the hip and the camera's
intrinsics, so it serves comparisons in tables rather than applications.
"""

import keras
from keras import ops

from ampose_tf.models.ampose import AMPose


@keras.saving.register_keras_serializable(package="ampose_tf")
class PoseRefinement(keras.layers.Layer):
    """Combines x and y of a lifted pose with those along the camera's rays.

    At the depth that the lifter predicts for a joint, the ray through its
    keypoint has its own x and y. Two dense layers see both poses and choose
    the weights of the two for each of these coordinates; depths are kept.

    Args:
        hidden: Number of channels between the dense layers.
        dropout: Rate after the first dense layer. Inactive outside training,
            unlike in Cai's and Zou's evaluation.

    Call arguments:
        inputs: poses_3d (B, J, 3), metres, hip first; keypoints_2d (B, J, 2);
            intrinsics (B, 4) and root_depth (B,), see `Poses`.
        training: Whether to apply dropout.

    Returns:
        (B, J, 3) metres, relative to the hip.
    """

    def __init__(self, hidden=1024, dropout=0.5, **kwargs):
        super().__init__(**kwargs)
        self.hidden = hidden
        self.dropout = dropout
        self.expand = keras.layers.Dense(
            hidden, activation="relu", dtype=self.dtype_policy, name="expand"
        )
        self.drop = keras.layers.Dropout(
            dropout, dtype=self.dtype_policy, name="drop"
        )

    def build(self, input_shape):
        joints = input_shape[0][1]
        self.expand.build((None, 6 * joints))
        self.weigh = keras.layers.Dense(
            2 * joints,
            activation="sigmoid",
            dtype=self.dtype_policy,
            name="weigh",
        )
        self.weigh.build((None, self.hidden))

    def call(self, inputs, training=None):
        poses_3d, keypoints_2d, intrinsics, root_depth = inputs
        rays = along_rays(poses_3d, keypoints_2d, intrinsics, root_depth)
        joints = poses_3d.shape[1]
        both = ops.concatenate([poses_3d, rays], axis=-1)  # (B, J, 6)
        hidden = self.expand(ops.reshape(both, (-1, 6 * joints)))
        share = self.weigh(self.drop(hidden, training=training))
        share = ops.reshape(share, (-1, joints, 2))
        flat = share * poses_3d[..., :2] + (1 - share) * rays[..., :2]
        return ops.concatenate([flat, poses_3d[..., 2:]], axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return super().get_config() | {
            "hidden": self.hidden,
            "dropout": self.dropout,
        }


def along_rays(poses_3d, keypoints_2d, intrinsics, root_depth):
    """Moves each joint, at its depth, onto the ray of its keypoint.

    Lens distortion is ignored. The relative depth of the hip is set to 0,
    whatever the lifter predicts.

    Arguments and return value are those of `PoseRefinement`.
    """
    relative = ops.concatenate(
        [ops.zeros_like(poses_3d[:, :1, 2:]), poses_3d[:, 1:, 2:]], axis=1
    )
    depth = relative + ops.reshape(root_depth, (-1, 1, 1))  # (B, J, 1)
    focal, center = intrinsics[:, None, :2], intrinsics[:, None, 2:]
    flat = (keypoints_2d - center) / focal * depth  # (B, J, 2)
    return ops.concatenate([flat - flat[:, :1], relative], axis=-1)


@keras.saving.register_keras_serializable(package="ampose_tf")
class RefinedLifter(keras.Model):
    """A lifter and its refinement, trained together.

    Args:
        lifter: Keyword arguments of `AMPose`.
        hidden: See `PoseRefinement`.
        dropout: See `PoseRefinement`.
        dtype: Keras dtype policy of the lifter; the refinement is float32.
        name: Name of the Keras model.
        trainable: Whether the weights are trainable.

    Call arguments:
        inputs: A dict of keypoints_2d (B, J, 2), intrinsics (B, 4),
            root_depth (B,) and, if the lifter has `seen_input`, seen (B, J).

    Returns:
        (B, 2, J, 3) metres: the lifted pose and the refined one.
    """

    def __init__(
        self,
        lifter,
        hidden=1024,
        dropout=0.5,
        dtype="float32",
        name=None,
        trainable=True,
    ):
        made = AMPose(**(lifter | {"dtype": dtype, "name": "lifter"}))
        refinement = PoseRefinement(
            hidden, dropout, dtype="float32", name="refinement"
        )
        joints = made.adjacency.shape[1]
        inputs = {
            "keypoints_2d": keras.Input((joints, 2), name="keypoints_2d"),
            "intrinsics": keras.Input((4,), name="intrinsics"),
            "root_depth": keras.Input((), name="root_depth"),
        }
        told = inputs["keypoints_2d"]
        if made.seen_input:
            inputs["seen"] = keras.Input((joints,), name="seen")
            told = {"keypoints_2d": told, "seen": inputs["seen"]}
        lifted = made(told)
        refined = refinement(
            [
                lifted,
                inputs["keypoints_2d"],
                inputs["intrinsics"],
                inputs["root_depth"],
            ]
        )
        super().__init__(
            inputs,
            ops.stack([lifted, refined], axis=1),
            name=name,
            trainable=trainable,
        )
        self.dtype_policy = keras.dtype_policies.get(dtype)
        self.lifter = made
        self.refinement = refinement

    def get_config(self):
        return {
            "lifter": self.lifter.get_config(),
            "hidden": self.refinement.hidden,
            "dropout": self.refinement.dropout,
            "dtype": self.dtype_policy.name,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def rebuilt(self, dtype: str = "float32") -> "RefinedLifter":
        """Returns an uncompiled copy with the same weights and a new dtype."""
        copy = type(self).from_config(self.get_config() | {"dtype": dtype})
        copy.set_weights(self.get_weights())
        return copy
