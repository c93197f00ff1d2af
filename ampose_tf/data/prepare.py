r"""Converts official downloads to the files that configs read.

    python -m ampose_tf.data.prepare human36m --source=DIR --output=data
    python -m ampose_tf.data.prepare mpi_inf_3dhp --source=DIR --output=data
    python -m ampose_tf.data.prepare mocap --source=DIR --output=mocap
    python -m ampose_tf.data.prepare shards --config=FILE --output=shards

`mocap` reads all .amc and .bvh files in a folder and its subfolders.
Recordings that cannot be used are skipped, with a message that contains the
reason, and the exit status is then 4; --strict stops at the first.

`shards` writes the training poses of a config to a new folder of TFRecord
files, for pairs that do not fit in memory; train with data.shards=FOLDER.

The data are not distributed with this package: Human3.6M and MPI-INF-3DHP
require access from their owners; CMU's motion capture is free. Interrupted
commands can be run again; existing files are only replaced by complete ones.
human36m and mpi_inf_3dhp need `pip install 'ampose_tf[prepare]'`.
"""

from absl import flags

from ampose_tf import config
from ampose_tf.data import shards
from ampose_tf.data.preparation import (
    motion_capture,
    official_human36m,
    official_mpi_inf_3dhp,
    sharding,
)

_PREPARE = {
    "human36m": official_human36m.prepare,
    "mpi_inf_3dhp": official_mpi_inf_3dhp.prepare,
    "mocap": motion_capture.prepare,
    "shards": sharding.prepare,
}
# The flags of each data set, in addition to --output.
_OWN_FLAGS = {
    "human36m": ("source", "metadata"),
    "mpi_inf_3dhp": ("source", "sequences", "official"),
    "mocap": (
        "source",
        "name",
        "validation",
        "amc_fps",
        "bvh_unit_m",
        "strict",
    ),
    "shards": ("config", "number"),
}
_LIBRARIES = {"human36m": "cdflib", "mpi_inf_3dhp": "h5py"}
NAMED = f"one data set: {', '.join(_PREPARE)}"


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `main`."""
    flags.DEFINE_string(
        "source",
        None,
        "Folder of the download (required, except for shards).",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Output folder.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "metadata",
        "",
        "human36m: metadata.xml of the official code, to check the cameras.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "sequences",
        list(official_mpi_inf_3dhp.SEQUENCES),
        "mpi_inf_3dhp: Sequences to convert.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "official",
        False,
        "mpi_inf_3dhp: Require the numbers of frames of the official release.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "name",
        "cmu17",
        "mocap: Name of the archive, as in data.archives.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "validation",
        list(motion_capture.VALIDATION),
        "mocap: Subjects for validation; by default those of the published "
        "figures.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "amc_fps",
        120.0,
        "mocap: Frames per second of .amc files that do not state it.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "bvh_unit_m",
        0.0,
        "mocap: Metres per unit of length of .bvh files; 0 to derive it from "
        "the legs.",
        flag_values=flag_values,
    )

    flags.DEFINE_bool(
        "strict",
        False,
        "mocap: Stop at the first recording that cannot be used, instead of "
        "skipping it.",
        flag_values=flag_values,
    )
    config.define_flag(flag_values)
    flags.DEFINE_integer(
        "number",
        64,
        "shards: Number of shards; each must fit in memory.",
        lower_bound=1,
        upper_bound=shards.MOST_SHARDS,
        flag_values=flag_values,
    )


def main(options: flags.FlagValues, data_sets: list[str]) -> int | None:
    """Converts the download of one data set.

    Returns:
        The exit status, 4 if some recordings were skipped.

    Raises:
        ImportError: If an installed library cannot be loaded.
        OSError: If a file is missing or cannot be written.
        ValueError: If the command line or a file is wrong, or a library is
            missing.
    """
    data_set = data_sets[0]
    if len(data_sets) > 1 or data_set not in _PREPARE:
        raise ValueError(f"Expected {NAMED}, got {' '.join(data_sets)}")
    for other, names in _OWN_FLAGS.items():
        for name in set(names) - set(_OWN_FLAGS[data_set]):
            if options[name].present:
                raise ValueError(f"--{name} is for {other}, not {data_set}")
    own = {name: options[name].value for name in _OWN_FLAGS[data_set]}
    for name in {"source", "config"} & set(own):
        if own[name] is None:
            raise ValueError(f"--{name}=... is missing; --help explains it")
    for name in {"sequences", "validation"} & set(own):
        own[name] = tuple(filter(None, own[name]))
    try:
        left_out = _PREPARE[data_set](output=options.output, **own)
    except ImportError as error:
        library = _LIBRARIES.get(data_set)
        # Errors from a child process have lost their subclass.
        if str(error) != f"No module named {library!r}":
            raise
        raise ValueError(
            f"needs the library {library}: pip install 'ampose_tf[prepare]'"
        ) from error
    return 4 if left_out else None


if __name__ == "__main__":
    config.run(main, define_flags, NAMED)
