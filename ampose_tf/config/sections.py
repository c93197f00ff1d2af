"""The sections of a configuration, their check, and JSON of them."""

import dataclasses
import json
import os

from ampose_tf import reading
from ampose_tf.config import fields
from ampose_tf.config.fields import at_least, choice, within
from ampose_tf.config.ranges import (
    Bodies,
    Cameras,
    Detector,
    Postures,
    Viewpoints,
)

# Of a config.json, which has some 6,000.
_MOST_BYTES = 2**20


@dataclasses.dataclass
class Generated:
    """Procedural motion in Human3.6M's files (data.dataset="synthetic").

    Attributes:
        frames: Per sequence, at 50 frames per second.
        seed: Of subjects, movements and detector noise.
    """

    frames: int = within(2, 1_000_000, 200)
    seed: int = at_least(0, 0)


@dataclasses.dataclass
class Data:
    """What to train and judge on.

    Attributes:
        dataset: `"human36m"`: VideoPose3D's files; `"synthetic"`: the same
            files, generated into `root` where they are missing; `"mocap"`:
            motion archives seen by virtual cameras; `"mpi_inf_3dhp"`: that
            test set, for validation alone.
        root: The folder of the files.
        keypoints: 2D source of Human3.6M's files: `"gt"` (projected) or
            `"cpn_ft_h36m_dbb"` (detected).
        joints: 17, or 16 without Neck/Nose.
        train_subjects: Subjects to train on; empty for a motion archive's
            own split.
        validation_subjects: Subjects to validate on; empty likewise, and
            for all sequences of MPI-INF-3DHP, which are its subjects.
        archives: Names of the motion archives in `root`.
        train_stride: Take every so-manieth frame of training sequences.
        validation_stride: Likewise for validation.
        shards: Folder of shards to train on, see `data.shards`, in place of
            training poses in memory; empty for those. The other fields say
            what is in them, and validation is as without.
        cameras: Virtual cameras of motion archives.
        generated: Size and seed of generated motion.
        adjacency: Normalisation of the graph's three groups, see
            `Skeleton.adjacency`. The paper's equation leaves zero degrees
            open.
        flip_training: Whether training mirrors each pose with probability
            one half. The paper does not say; its peers mirror.
        training_cameras: Of motion archives: `"fixed"`, those of `cameras`,
            or `"drawn"`, a new camera, body and detector for every pose of
            every epoch. Validation always has those of `cameras`.
        poses_per_epoch: Of drawn cameras, for which an epoch is a convention.
        thinning_m: Of drawn cameras: a frame counts as new once its joints
            have moved this far on average, relative to the hip, since the
            last one taken from its trial. Four out of five frames of CMU's
            move less than 40 mm.
        balance: Of drawn cameras: how far subjects, and movements of a
            subject, are seen equally often (1) or as often as they have
            frames (0).
        viewpoints: The drawn cameras.
        postures: What is made of captured postures.
        bodies: The drawn bodies.
        detector: The drawn errors of a detector.
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
    """The arguments of `AMPose` beside the adjacency.

    "Open" marks what the paper leaves open; the default is then the reading
    that its numbers or its peers favour.

    Attributes:
        depth: Pairs of transformer encoder and GCN block (paper: 5).
        width: Channels per joint (paper: 512).
        heads: Of the attention. Open; MixSTE and JointFormer have 8.
        attention_scale: Divides by the root of the channels of one head
            (`"head_dim"`) or of all (`"full_dim"`, equation 1 to the
            letter). Open.
        mlp_ratio: Hidden width of the encoder's MLP over `width`. 2 is the
            only one that explains the paper's parameter count.
        position: A position embedding in each encoder (`"per_layer"`) or one
            for all (`"shared"`). Open; equation 5 stands in every encoder.
        gcn: Design of the GCN block (paper, Figure 3): `"ours"`,
            `"two_residual"`, `"transformer"` or `"convnext"`. For
            comparison: `"vanilla"`, `"ours"` with one kernel for all
            neighbours (equation 8); `"none"`, the encoders alone;
            `"gcn_only"`, the GCN blocks alone.
        residual_from: Where the residual of `"ours"` starts: after its first
            graph convolution (`"mid"`) or at the block's `"input"`. Open.
        gcn_mlp_ratio: Hidden width of the MLP in the designs that have one.
            1 is the only one that explains the parameter count.
        gcn_norm: After each graph convolution of `"ours"` and
            `"two_residual"`: layer norm (`"ln"`), batch norm (`"bn"`) or
            `"none"`. Open.
        gcn_act: Activation after each of those: `"gelu"`, `"relu"` or
            `"none"`. Open.
        gc_bias: A bias per neighbour group, added before aggregation
            (`"group"`), or one per graph convolution (`"shared"`). Open.
        initializer: Of the kernels but the head's, which starts near zero:
            Keras's `"glorot_uniform"`, PyTorch's default for linear layers
            (`"torch"`), or a truncated normal of 0.02 as in ViT
            (`"trunc_normal"`). Open.
        dropout: Rate after attention and MLP of the encoder. Open.
        drop_path: Largest rate of stochastic depth, growing linearly with
            depth. Open; MixSTE has 0.1.
        final_norm: Layer norm before the head. Open.
        normalisation: What the network's input was divided by: the image's
            `"width"` (Human3.6M's protocol) or `"longest"` side. Kept with
            the model so that exported files can take pixels.
        seen_input: Whether the network is told which joints were seen. Not in
            the paper.
        frame: Of the keypoints that the embedding sees: the `"screen"`'s, as
            in the paper, or the `"person"`'s own, see `inputs.InputChannels`.
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
    """The recipe; defaults are the paper's where it states one.

    Attributes:
        epochs: Passes over the training poses.
        batch_size: Poses per step.
        loss: `"mse_joint"`, the paper's squared distance (equation 10), or
            `"mean_distance"`, what MPJPE measures, or `"joints_and_bones"`,
            the sum of that and of the same of bones as vectors.
        learning_rate: Of Adam, at the start.
        schedule: `"exponential"`: times `decay` after every epoch, as in the
            paper; `"cosine"`: to zero over all steps.
        decay: Of the exponential schedule, per epoch.
        adam_epsilon: PyTorch's default. With errors in square metres and the
            paper's learning rate, Keras's 1e-7 is not small enough.
        precision: Of the computation; variables, the head, softmax and the
            statistics of layer norms stay in float32.
        jit_compile: Whether XLA compiles the training step.
        devices: Whether `"one"` device trains, or `"all"` GPUs (without GPUs:
            logical CPU devices) of the machine share each batch.
        lifter: A trained `.keras` that pose refinement starts from, see
            `models.refinement`; empty to train a lifter.
        teacher: A trained `.keras` whose poses for the same keypoints a new
            lifter learns beside the true ones, see `models.distillation`;
            empty for none. Its size is free, joints, normalisation and
            `seen_input` are the config's. It computes in `precision`.
        teacher_weight: The teacher's share of `loss`; the truth has the rest.
            By default both have the same: with `"mean_distance"` they pull at
            a joint with equal force, wherever they are, and where the teacher
            errs, the truth still counts as much.
        seed: Of the initial weights, the order of the poses, and every
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
    """How to judge.

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
    """What an exported file must show before it is kept.

    Attributes:
        verification_poses: Validation poses that each file is run on.
        calibration_poses: Training poses that show the range of activations
            to the formats that quantise them.
        float32_mm: Largest deviation of any joint from the Keras model, for
            SavedModel and float32.
        float16_mm: Largest deviation on average over all joints of all
            poses, for float16; two shares of it are held besides, see below.
        dynamic_int8_mm: Likewise for dynamic_int8.
        int8_mm: Likewise for int8.
        int8_float_attention_mm: Likewise for int8_float_attention.
        float16_arithmetic_mm: Largest deviation on average over all joints of
            all poses, for float32 and float16 computed in float16, as on
            GPUs; a pose that overflows is refused, too.
        worst_poses: Of these limits: how many times as much a pose's joints
            may be off on average, in nineteen poses of twenty.
        mpjpe_share: Of these limits: which share the MPJPE may change by, up
            or down.
        kernels_mm: Largest deviation between the kernels that apps get and
            LiteRT's reference kernels, on average over all joints.
        max_bytes: Largest size of a `.tflite`.
        compression_mm: How much the MPJPE of a compressed file may grow over
            the model before it was compressed; the other limits hold it to
            the model after.
        finetune_epochs: How long compression trains on, in epochs of
            training; the techniques asked for share it.
        finetune_learning_rate: Of Adam, at the start; it falls to zero along
            a cosine.
        sparsity: Share of the weights that pruning sets to zero.
        sparsity_pattern: Which ones: the smallest of a kernel
            (`"unstructured"`), or two in every four inputs (`"2:4"`), from
            the first step on.
        pruning_share: Of the fine-tuning, after which `sparsity` is reached,
            where it is unstructured.
        clusters: Values per kernel that clustering leaves; in int8 files, per
            output channel.
        qat_bits: Of the weights that quantisation-aware training leaves;
            files hold them as int8.
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
    """One experiment."""

    data: Data = dataclasses.field(default_factory=Data)
    model: Model = dataclasses.field(default_factory=Model)
    train: Train = dataclasses.field(default_factory=Train)
    evaluation: Evaluation = dataclasses.field(default_factory=Evaluation)
    export: Export = dataclasses.field(default_factory=Export)


def check(config: Config) -> None:
    """Raises a ValueError that names the first field that cannot be right."""
    fields.check_section(config)
    data = config.data
    _check_drawn(config)
    if config.train.lifter and data.training_cameras == "drawn":
        raise ValueError(
            "train.lifter: pose refinement is trained with fixed cameras; "
            "expected data.training_cameras=fixed"
        )
    if data.shards and (
        data.training_cameras == "drawn" or config.train.lifter
    ):
        raise ValueError(
            "data.shards: shards hold keypoints and poses alone; expected "
            "data.training_cameras=fixed and no train.lifter"
        )
    _check_devices(config)
    export = config.export
    if export.sparsity_pattern == "2:4" and export.sparsity != 0.5:
        raise ValueError(
            "export.sparsity: two of four are 0.5, got "
            f"{export.sparsity}; expected sparsity_pattern=unstructured"
        )
    if config.train.lifter and config.train.teacher:
        raise ValueError(
            "train.teacher: a new lifter can be taught, pose refinement "
            "cannot; expected train.teacher or train.lifter to be empty"
        )
    shared = sorted(set(data.train_subjects) & set(data.validation_subjects))
    if shared:
        raise ValueError(
            f"data: {shared[0]} is in train_subjects and validation_subjects"
        )
    if config.model.width % config.model.heads:
        raise ValueError(
            f"model.width: {config.model.width} is not divisible by "
            f"model.heads={config.model.heads}"
        )


def _check_devices(config):
    """Raises a ValueError where devices cannot share the config's steps."""
    if config.train.devices == "one":
        return
    if config.train.jit_compile:
        raise ValueError(
            "train.jit_compile: XLA does not compile steps that devices "
            "share; expected False with train.devices=all"
        )
    if config.model.gcn_norm == "bn":
        raise ValueError(
            "model.gcn_norm: batch norm on several devices keeps statistics "
            "that differ between them; expected ln or none with "
            "train.devices=all"
        )


def _check_drawn(config):
    """Raises a ValueError where drawn cameras do not fit the rest."""
    data = config.data
    if data.training_cameras == "fixed":
        return
    if data.dataset != "mocap":
        raise ValueError(
            "data.training_cameras: only motion archives (data.dataset="
            "mocap) can be seen by drawn cameras"
        )
    if config.model.normalisation != "longest":
        raise ValueError(
            "model.normalisation: drawn cameras have all aspects; expected "
            f"longest, got {config.model.normalisation}"
        )
    if data.train_stride != 1:
        raise ValueError(
            "data.train_stride: drawn cameras thin frames by "
            f"data.thinning_m; expected 1, got {data.train_stride}"
        )
    if data.poses_per_epoch < config.train.batch_size:
        raise ValueError(
            f"data.poses_per_epoch: {data.poses_per_epoch} is less than one "
            f"batch of {config.train.batch_size}"
        )


def to_json(config: Config) -> str:
    """Returns the whole configuration as JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(text: str) -> Config:
    """Returns the configuration that `to_json` wrote.

    Raises:
        ValueError: If it is not JSON, or a field is unknown or holds what it
            may not.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not JSON: {error.msg} (line {error.lineno})"
        ) from error
    except RecursionError as error:
        raise ValueError("not JSON of a config: nested too deeply") from error
    config = fields.section_from(values, Config)
    check(config)
    return config


def load(path: str | os.PathLike) -> Config:
    """Reads a `config.json`.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it holds no valid configuration.
    """
    try:
        return from_json(reading.content(path, _MOST_BYTES).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: its text is not UTF-8") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def difference(one: Config, other: Config) -> str:
    """Returns the first field in which two differ, as text; "" if none."""
    flat, other_flat = fields.flatten(one), fields.flatten(other)
    for name, value in flat.items():
        if other_flat[name] != value:
            return f"{name} is {value!r} there, {other_flat[name]!r} here"
    return ""
