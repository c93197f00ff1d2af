"""The AMPose network: transformer encoders alternating with GCN blocks."""

import keras
import numpy as np

from ampose_tf.config import Model as Defaults
from ampose_tf.models import elements, layers
from ampose_tf.models.inputs import InputChannels


@keras.saving.register_keras_serializable(package="ampose_tf")
class AMPose(keras.Model):
    """AMPose (Lin, Chiu, Wu, ICASSP 2023, arXiv 2210.04216, Figure 1).

    A dense layer embeds each joint in `width` channels. Then follow `depth`
    pairs of a transformer encoder, which mixes all joints, and a GCN block,
    which mixes neighbours. A last dense layer returns three coordinates per
    joint.

    `AMPose(H36M_17.adjacency())` is the paper's network. The arguments from
    `depth` to `frame` are described in `config.Model`, which holds their
    defaults. All arguments are stored in the `.keras` file.

    Args:
        adjacency: Array of shape (3, J, J), from `Skeleton.adjacency`.
        dtype: Keras dtype policy of encoders and GCN blocks. The embedding,
            the head and all variables are float32.
        name: Name of the Keras model.
        trainable: Whether the weights are trainable.

    Call arguments:
        keypoints_2d: (B, J, 2), screen-normalised. With `seen_input`, a dict
            with this and `seen`, (B, J): 1 for joints that were seen, 0 for
            the others, whose keypoints are ignored but must be finite.

    Returns:
        poses_3d, (B, J, 3), metres, camera frame, relative to the hip.
    """

    def __init__(
        self,
        adjacency: np.ndarray,
        depth: int = Defaults.depth,
        width: int = Defaults.width,
        heads: int = Defaults.heads,
        attention_scale: str = Defaults.attention_scale,
        mlp_ratio: int = Defaults.mlp_ratio,
        position: str = Defaults.position,
        gcn: str = Defaults.gcn,
        residual_from: str = Defaults.residual_from,
        gcn_mlp_ratio: int = Defaults.gcn_mlp_ratio,
        gcn_norm: str = Defaults.gcn_norm,
        gcn_act: str = Defaults.gcn_act,
        gc_bias: str = Defaults.gc_bias,
        initializer: str = Defaults.initializer,
        dropout: float = Defaults.dropout,
        drop_path: float = Defaults.drop_path,
        final_norm: bool = Defaults.final_norm,
        normalisation: str = Defaults.normalisation,
        seen_input: bool = Defaults.seen_input,
        frame: str = Defaults.frame,
        dtype: str | keras.DTypePolicy = "float32",
        name: str | None = None,
        trainable: bool = True,
    ):
        adjacency = np.asarray(adjacency, np.float32)
        policy = keras.dtype_policies.get(dtype)
        if position not in ("per_layer", "shared"):
            raise ValueError(
                f"Unknown position {position!r}; expected per_layer, shared"
            )

        if normalisation not in ("width", "longest"):
            raise ValueError(
                f"Unknown normalisation {normalisation!r}; expected width, "
                "longest"
            )

        def dense(units, name, kernel_initializer):
            # bfloat16 would round a keypoint by two pixels and a joint by
            # millimetres.
            return keras.layers.Dense(
                units,
                kernel_initializer=kernel_initializer,
                dtype="float32",
                name=name,
            )

        joints = adjacency.shape[1]
        inputs = x = keras.Input((joints, 2), name="keypoints_2d")
        if seen_input:
            seen = keras.Input((joints,), name="seen")
            inputs = {"keypoints_2d": x, "seen": seen}
            x = [x, seen]
        if seen_input or frame != "screen":
            x = InputChannels(frame, dtype="float32", name="channels")(x)
        x = dense(
            width, "embedding", elements.kernel_initializer(initializer)
        )(x)
        for index in range(depth):
            if gcn != "gcn_only":
                if index == 0 or position == "per_layer":
                    embed = layers.PositionEmbedding(
                        dtype=policy, name=f"position_{index + 1}"
                    )
                x = layers.TransformerEncoder(
                    width,
                    heads,
                    mlp_ratio=mlp_ratio,
                    attention_scale=attention_scale,
                    dropout=dropout,
                    drop_path=drop_path * index / max(depth - 1, 1),
                    initializer=initializer,
                    dtype=policy,
                    name=f"encoder_{index + 1}",
                )(embed(x))
            if gcn != "none":
                x = layers.GCNBlock(
                    width,
                    adjacency,
                    design="ours" if gcn == "gcn_only" else gcn,
                    residual_from=residual_from,
                    mlp_ratio=gcn_mlp_ratio,
                    norm=gcn_norm,
                    activation=gcn_act,
                    bias=gc_bias,
                    initializer=initializer,
                    dtype=policy,
                    name=f"gcn_{index + 1}",
                )(x)
        if final_norm:
            x = elements.layer_norm("final_norm", policy)(x)
        # Initialised like the other layers, the head would start with joints
        # metres apart, and the first epochs would only correct that.
        near_the_hip = keras.initializers.TruncatedNormal(stddev=1e-3)
        outputs = dense(3, "poses_3d", near_the_hip)(x)
        # Not by **kwargs: Keras ignores unknown keyword arguments.
        super().__init__(inputs, outputs, name=name, trainable=trainable)
        # `compile` scales float16 losses only if the model has the policy.
        self.dtype_policy = policy
        self.adjacency = adjacency
        self.depth = depth
        self.width = width
        self.heads = heads
        self.attention_scale = attention_scale
        self.mlp_ratio = mlp_ratio
        self.position = position
        self.gcn = gcn
        self.residual_from = residual_from
        self.gcn_mlp_ratio = gcn_mlp_ratio
        self.gcn_norm = gcn_norm
        self.gcn_act = gcn_act
        self.gc_bias = gc_bias
        self.initializer = initializer
        self.dropout = dropout
        self.drop_path = drop_path
        self.final_norm = final_norm
        self.normalisation = normalisation
        self.seen_input = seen_input
        self.frame = frame

    def get_config(self):
        return {
            "adjacency": self.adjacency.tolist(),
            "depth": self.depth,
            "width": self.width,
            "heads": self.heads,
            "attention_scale": self.attention_scale,
            "mlp_ratio": self.mlp_ratio,
            "position": self.position,
            "gcn": self.gcn,
            "residual_from": self.residual_from,
            "gcn_mlp_ratio": self.gcn_mlp_ratio,
            "gcn_norm": self.gcn_norm,
            "gcn_act": self.gcn_act,
            "gc_bias": self.gc_bias,
            "initializer": self.initializer,
            "dropout": self.dropout,
            "drop_path": self.drop_path,
            "final_norm": self.final_norm,
            "normalisation": self.normalisation,
            "seen_input": self.seen_input,
            "frame": self.frame,
            "dtype": self.dtype_policy.name,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def rebuilt(self, dtype: str = "float32") -> "AMPose":
        """Returns an uncompiled copy with the same weights and a new dtype."""
        copy = type(self).from_config(self.get_config() | {"dtype": dtype})
        copy.set_weights(self.get_weights())
        return copy
