"""The sections of a configuration."""

import dataclasses

from ampose_tf.config.fields import at_least, choice, within
from ampose_tf.config.ranges import (
    Bodies,
    Cameras,
    Detector,
    Postures,
    Viewpoints,
)


@dataclasses.dataclass
class Generated:
    """Procedural motion in Human3.6M's files (data.dataset="synthetic").

    Attributes:
        frames: Frames per sequence, at 50 frames per second.
        seed: Seed of subjects, movements and detector noise.
    """

    frames: int = within(2, 1_000_000, 200)
    seed: int = at_least(0, 0)


@dataclasses.dataclass
class Data:
    """Data to train and evaluate on.

    Attributes:
        dataset: `"human36m"`: VideoPose3D's files; `"synthetic"`: the same
            files, generated into `root` if they are missing; `"mocap"`:
            motion archives seen by virtual cameras; `"mpi_inf_3dhp"`: the
            test set of MPI-INF-3DHP, for validation only.
        root: Folder of the files.
        keypoints: 2D source of Human3.6M's files: `"gt"` (projected) or
            `"cpn_ft_h36m_dbb"` (detected).
        joints: 17, or 16 without Neck/Nose.
        train_subjects: Subjects to train on; empty for a motion archive's
            own split.
        validation_subjects: Subjects to validate on; empty for a motion
            archive's own split. The subjects of MPI-INF-3DHP are its
            sequences; empty for all of them.
        archives: Names of the motion archives in `root`.
        train_stride: Use every n-th frame of the training sequences.
        validation_stride: The same for the validation sequences.
        shards: Folder of shards to train on, see `data.shards`, instead of
            poses in memory. Empty to train on poses in memory. The other
            fields describe the shards' contents and the validation data.
        cameras: Virtual cameras of motion archives.
        generated: Size and seed of generated motion.
        adjacency: Normalisation of the graph's three groups, see
            `Skeleton.adjacency`. The paper's equation leaves zero degrees
            open.
        flip_training: Whether training mirrors each pose with probability
            one half. The paper does not say; related methods do.
        training_cameras: For motion archives: `"fixed"` uses `cameras`;
            `"drawn"` draws a new camera, body and detector at random for
            every pose of every epoch. Validation always uses `cameras`.
        poses_per_epoch: With drawn cameras, the number of poses per epoch.
        thinning_m: With drawn cameras, a frame of a trial is used only if
            its joints have moved at least this far on average, relative to
            the hip, since the last frame used. Four out of five frames of
            CMU's data move less than 40 mm.
        balance: With drawn cameras, how evenly subjects, and the movements
            of each subject, are sampled: 1 samples all equally often, 0 in
            proportion to their frames, values in between mix the two.
        viewpoints: Ranges of the drawn cameras.
        postures: Ranges of the changes to the captured postures.
        bodies: Ranges of the drawn bodies.
        detector: Ranges of the drawn errors of a 2D detector.
    """

    dataset: str = choice("human36m", "synthetic", "mocap", "mpi_inf_3dhp")
    root: str = "data"
    keypoints: str = choice("gt", "cpn_ft_h36m_dbb")
    joints: int = within(16, 17, 17)
    train_subjects: tuple[str, ...] = ("S1", "S5", "S6", "S7", "S8")
    validation_subjects: tuple[str, ...] = ("S9", "S11")
    archives: tuple[str, ...] = ("cmu17",)
    train_stride: int = at_least(1, 1)
    validation_stride: int = at_least(1, 1)
    shards: str = ""
    cameras: Cameras = dataclasses.field(default_factory=Cameras)
    generated: Generated = dataclasses.field(default_factory=Generated)
    adjacency: str = choice(
        "rc", "rw", "global", "alpha", "literal_row", "literal_col"
    )
    flip_training: bool = True
    training_cameras: str = choice("fixed", "drawn")
    poses_per_epoch: int = at_least(1, 262144)
    thinning_m: float = at_least(0, 0.04)
    balance: float = within(0, 1, 0.5)
    viewpoints: Viewpoints = dataclasses.field(default_factory=Viewpoints)
    postures: Postures = dataclasses.field(default_factory=Postures)
    bodies: Bodies = dataclasses.field(default_factory=Bodies)
    detector: Detector = dataclasses.field(default_factory=Detector)


@dataclasses.dataclass
class Model:
    """The arguments of `AMPose` except the adjacency.

    "Open" marks details that the paper leaves open. Their defaults are the
    choices that the paper's numbers or related methods favour.

    Attributes:
        depth: Pairs of transformer encoder and GCN block (paper: 5).
        width: Channels per joint (paper: 512).
        heads: Number of attention heads. Open; MixSTE and JointFormer use 8.
        attention_scale: Attention scores are divided by the square root of
            the number of channels of one head (`"head_dim"`) or of all heads
            (`"full_dim"`, as printed in equation 1). Open.
        mlp_ratio: Hidden width of the encoder's MLP, as a multiple of
            `width`. 2 is the only value that explains the paper's parameter
            count.
        position: Whether each encoder has its own position embedding
            (`"per_layer"`) or all use the same (`"shared"`). Open; equation 5
            is part of every encoder.
        gcn: Design of the GCN block (paper, Figure 3): `"ours"`,
            `"two_residual"`, `"transformer"` or `"convnext"`. For
            comparison: `"vanilla"`, `"ours"` with one kernel for all
            neighbours (equation 8); `"none"`, only the encoders;
            `"gcn_only"`, only the GCN blocks.
        residual_from: Where the residual of `"ours"` starts: after its first
            graph convolution (`"mid"`) or at the block's `"input"`. Open.
        gcn_mlp_ratio: Hidden width of the GCN block's MLP, in the designs
            that have one, as a multiple of `width`. 1 is the only value that
            explains the parameter count.
        gcn_norm: Norm after each graph convolution of `"ours"` and
            `"two_residual"`: layer norm (`"ln"`), batch norm (`"bn"`) or
            `"none"`. Open.
        gcn_act: Activation after each of these norms: `"gelu"`, `"relu"` or
            `"none"`. Open.
        gc_bias: A bias per neighbour group, added before aggregation
            (`"group"`), or one per graph convolution (`"shared"`). Open.
        initializer: Initializer of all kernels except the head's, which
            starts near zero: Keras's `"glorot_uniform"`, PyTorch's default
            for linear layers (`"torch"`), or a truncated normal distribution
            with a standard deviation of 0.02, as in ViT (`"trunc_normal"`).
            Open.
        dropout: Rate of dropout after the encoder's attention and MLP. Open.
        drop_path: Largest rate of stochastic depth, growing linearly with
            depth. Open; MixSTE uses 0.1.
        final_norm: Whether a layer norm precedes the head. Open.
        normalisation: Image side by which the network's input is divided:
            `"width"` (Human3.6M's protocol) or `"longest"`. Saved in the
            model, so that exported files can take pixels.
        seen_input: Whether the network's input includes which joints were
            seen. Not in the paper.
        frame: Coordinates in which keypoints are embedded: those of the
            `"screen"`, as in the paper, or relative to the `"person"`, see
            `inputs.InputChannels`.
    """

    depth: int = within(1, 1000, 5)
    width: int = within(1, 65_536, 512)
    heads: int = within(1, 65_536, 8)
    attention_scale: str = choice("head_dim", "full_dim")
    mlp_ratio: int = within(1, 1000, 2)
    position: str = choice("per_layer", "shared")
    gcn: str = choice(
        "ours",
        "two_residual",
        "transformer",
        "convnext",
        "vanilla",
        "none",
        "gcn_only",
    )
    residual_from: str = choice("mid", "input")
    gcn_mlp_ratio: int = within(1, 1000, 1)
    gcn_norm: str = choice("ln", "bn", "none")
    gcn_act: str = choice("gelu", "relu", "none")
    gc_bias: str = choice("group", "shared")
    initializer: str = choice("glorot_uniform", "torch", "trunc_normal")
    dropout: float = within(0, 0.999, 0.0)
    drop_path: float = within(0, 0.999, 0.0)
    final_norm: bool = False
    normalisation: str = choice("longest", "width")
    seen_input: bool = False
    frame: str = choice("screen", "person")


# The paper's network, and two for phones.
SIZES = {
    "ampose_b": {"depth": 5, "width": 512},
    "ampose_s": {"depth": 5, "width": 128},
    "ampose_t": {"depth": 4, "width": 64},
}


@dataclasses.dataclass
class Train:
    """Training recipe. Defaults are the paper's values if it states them.

    Attributes:
        epochs: Passes over the training poses.
        batch_size: Poses per step.
        loss: `"mse_joint"`, the paper's squared distance (equation 10);
            `"mean_distance"`, which is what MPJPE measures; or
            `"joints_and_bones"`, the same plus the mean distance of bone
            vectors.
        learning_rate: Initial learning rate of Adam.
        schedule: Learning rate schedule: `"exponential"` multiplies by
            `decay` after every epoch, as in the paper; `"cosine"` falls to
            zero over all steps.
        decay: Factor per epoch of the exponential schedule.
        adam_epsilon: Epsilon of Adam; the default is PyTorch's. Keras's
            default, 1e-7, is too large for errors in square metres and the
            paper's learning rate.
        precision: Precision of the computation; variables, the head, softmax
            and the statistics of layer norms are always float32.
        jit_compile: Whether XLA compiles the training step.
        devices: `"one"` trains on one device; `"all"` splits each batch over
            all GPUs of the machine, or over its logical CPU devices if it has
            no GPU.
        lifter: A trained `.keras` file that pose refinement starts from, see
            `models.refinement`; empty to train a lifter.
        teacher: A trained `.keras` file whose predictions are learned in
            addition to the true poses, see `models.distillation`; empty for
            none. It may have any size, but needs the config's joints,
            normalisation and `seen_input`. It computes in `precision`.
        teacher_weight: Weight of the teacher's poses in `loss`; the true
            poses have the rest. By default both weights are equal. With
            `"mean_distance"`, both then pull a joint with equal force at any
            distance, so a wrong teacher cannot outweigh the truth.
        seed: Seed of the initial weights, the order of the poses, and every
            augmentation.
    """

    epochs: int = at_least(1, 50)
    batch_size: int = at_least(1, 128)
    loss: str = choice("mse_joint", "mean_distance", "joints_and_bones")
    learning_rate: float = at_least(0, 2.5e-5)
    schedule: str = choice("exponential", "cosine")
    decay: float = within(0, 1, 0.98)
    adam_epsilon: float = at_least(0, 1e-8)
    precision: str = choice("float32", "mixed_float16", "mixed_bfloat16")
    jit_compile: bool = False
    devices: str = choice("one", "all")
    lifter: str = ""
    teacher: str = ""
    teacher_weight: float = within(0, 1, 0.5)
    seed: int = at_least(0, 0)


@dataclasses.dataclass
class Evaluation:
    """How models are evaluated.

    Attributes:
        flip_ensemble: Whether the headline figures average the predictions
            for a pose and its mirror image. The paper does not say; reports
            print both.
        batch_size: Poses per call of the network.
    """

    flip_ensemble: bool = True
    batch_size: int = at_least(1, 512)


@dataclasses.dataclass
class Export:
    """Requirements that an exported file must meet.

    Attributes:
        verification_poses: Number of validation poses to run each file on.
        calibration_poses: Number of training poses from which quantised
            formats take the ranges of activations.
        float32_mm: Largest deviation of any joint from the Keras model, for
            SavedModel and float32.
        float16_mm: Largest mean deviation over all joints of all poses, for
            float16. `worst_poses` and `mpjpe_share` limit it further.
        dynamic_int8_mm: The same for dynamic_int8.
        int8_mm: The same for int8.
        int8_float_attention_mm: The same for int8_float_attention.
        float16_arithmetic_mm: Largest mean deviation over all joints of all
            poses, for float32 and float16 computed in float16, as on GPUs; a
            pose that overflows is also refused.
        worst_poses: Limit for single poses, as a multiple of these limits:
            in nineteen of twenty poses, the mean deviation over the joints
            must not exceed it.
        mpjpe_share: Limit for the change of the MPJPE in either direction,
            as a share of these limits.
        kernels_mm: Largest mean deviation over all joints between the kernels
            that apps use and LiteRT's reference kernels.
        max_bytes: Largest size of a `.tflite`.
        compression_mm: Largest increase of a compressed file's MPJPE compared
            with the model before compression. The other limits compare the
            file with the model after compression.
        finetune_epochs: Length of the fine-tuning for compression, in epochs
            of training; all requested techniques share it.
        finetune_learning_rate: Initial learning rate of Adam; it falls to
            zero along a cosine.
        sparsity: Share of the weights that pruning sets to zero.
        sparsity_pattern: Weights to set to zero: the smallest of a kernel
            (`"unstructured"`), or two in every four inputs (`"2:4"`), from
            the first step on.
        pruning_share: Share of the fine-tuning after which `sparsity` is
            reached, if the pattern is unstructured.
        clusters: Number of values per kernel after clustering; in int8 files,
            per output channel.
        qat_bits: Bits of the weights in quantisation-aware training; files
            store them as int8.
    """

    verification_poses: int = at_least(1, 256)
    calibration_poses: int = at_least(1, 256)
    float32_mm: float = at_least(0, 0.1)
    float16_mm: float = at_least(0, 1.0)
    dynamic_int8_mm: float = at_least(0, 10.0)
    int8_mm: float = at_least(0, 20.0)
    int8_float_attention_mm: float = at_least(0, 15.0)
    float16_arithmetic_mm: float = at_least(0, 3.0)
    worst_poses: float = at_least(1, 2.0)
    mpjpe_share: float = at_least(0, 0.2)
    kernels_mm: float = at_least(0, 2.0)
    max_bytes: int = at_least(1, 200_000_000)
    compression_mm: float = at_least(0, 5.0)
    finetune_epochs: float = at_least(0, 1.0)
    finetune_learning_rate: float = at_least(0, 3e-4)
    sparsity: float = within(0, 0.99, 0.5)
    sparsity_pattern: str = choice("unstructured", "2:4")
    pruning_share: float = within(0, 1, 0.5)
    clusters: int = at_least(3, 16)
    qat_bits: int = within(2, 8, 8)


@dataclasses.dataclass
class Config:
    """One experiment: data, model, training, evaluation and export."""

    data: Data = dataclasses.field(default_factory=Data)
    model: Model = dataclasses.field(default_factory=Model)
    train: Train = dataclasses.field(default_factory=Train)
    evaluation: Evaluation = dataclasses.field(default_factory=Evaluation)
    export: Export = dataclasses.field(default_factory=Export)
