"""Checks a configuration: each field, and fields that depend on others."""

from ampose_tf.config import fields
from ampose_tf.config.sections import Config


def check(config: Config) -> None:
    """Raises a ValueError that names the first invalid field."""
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
            "export.sparsity: pattern 2:4 has sparsity 0.5, got "
            f"{export.sparsity}; expected sparsity_pattern=unstructured"
        )
    if config.train.lifter and config.train.teacher:
        raise ValueError(
            "train.teacher: only a new lifter can have a teacher, pose "
            "refinement cannot; expected train.teacher or train.lifter empty"
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
    """Raises a ValueError if drawn cameras do not fit the other fields."""
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
            "model.normalisation: drawn cameras vary the aspect; expected "
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
