r"""Official downloads to the files that the configs read.

    python -m ampose_tf.data.prepare human36m --source=DIR --output=data
    python -m ampose_tf.data.prepare mpi_inf_3dhp --source=DIR --output=data
    python -m ampose_tf.data.prepare mocap --source=DIR --output=mocap

None is distributed here: Human3.6M and MPI-INF-3DHP are for those whom their
owners gave access; CMU's motion capture is free for all. What is interrupted
can be run again; a file is replaced when its successor is whole. The first
two need the libraries of `pip install -e '.[prepare]'`.
"""

import argparse

from ampose_tf import commandline
from ampose_tf.data import (
    motion_capture,
    official_human36m,
    official_mpi_inf_3dhp,
)


class _Parser(argparse.ArgumentParser):
    """Its mistakes are users' mistakes like any other."""

    def error(self, message):
        raise ValueError(message)


def main() -> None:
    """Runs the subcommand that the command line names.

    Raises:
        OSError: Where a file is missing or cannot be written.
        ValueError: Where the command line or a file is wrong, or a library
            is missing.
    """
    options = vars(_parser().parse_args())
    prepare = options.pop("prepare")
    try:
        prepare(**options)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"needs the library {error.name}: pip install "
            "-e '.[prepare]' brings it"
        ) from error


def _parser():
    parser = _Parser(
        prog="python -m ampose_tf.data.prepare",
        description="Converts official downloads.",
    )
    commands = parser.add_subparsers(required=True, metavar="DATA_SET")
    human36m = _add(
        commands,
        "human36m",
        official_human36m.prepare,
        "the subjects' D3 positions, unpacked or as .tgz, to data_3d_h36m.npz "
        "and data_2d_h36m_gt.npz",
    )
    human36m.add_argument(
        "--metadata",
        default="",
        metavar="FILE",
        help="metadata.xml of the official code, to compare its cameras",
    )
    mpi_inf_3dhp = _add(
        commands,
        "mpi_inf_3dhp",
        official_mpi_inf_3dhp.prepare,
        "TS1 to TS6 of the test set to mpi_inf_3dhp_test.npz",
    )
    mpi_inf_3dhp.add_argument(
        "--sequences",
        default=tuple(official_mpi_inf_3dhp.SEQUENCES),
        type=lambda names: tuple(names.split(",")),
        metavar="TS1,TS2",
        help="which to convert; all by default",
    )
    mpi_inf_3dhp.add_argument(
        "--official",
        action="store_true",
        help="refuse numbers of frames other than the official release's",
    )
    mocap = _add(
        commands,
        "mocap",
        motion_capture.prepare,
        ".asf with .amc, and .bvh, of CMU's skeletons, to a motion archive",
    )
    mocap.add_argument(
        "--name",
        default="cmu17",
        help="of the archive, as data.archives has it; %(default)s",
    )
    mocap.add_argument(
        "--validation",
        default=motion_capture.VALIDATION,
        type=lambda names: tuple(filter(None, names.split(","))),
        metavar="CMU03,CMU09",
        help="subjects for validation; by default those of the published "
        "figures",
    )
    mocap.add_argument(
        "--amc_fps",
        default=120.0,
        type=float,
        metavar="FPS",
        help="frames per second of .amc files; %(default)s",
    )
    mocap.add_argument(
        "--bvh_unit_m",
        default=0.0,
        type=float,
        metavar="METRES",
        help="length of a .bvh file's unit; told from the legs by default",
    )
    return parser


def _add(commands, name, prepare, what):
    """Adds a subcommand: `prepare(source, output, ...)`."""
    command = commands.add_parser(name, help=what, description=what)
    command.set_defaults(prepare=prepare)
    for option, folder in (
        ("--source", "of the download"),
        ("--output", "to write into"),
    ):
        command.add_argument(
            option, required=True, metavar="DIR", help=f"folder {folder}"
        )
    return command


if __name__ == "__main__":
    with commandline.ending_in_one_line():
        main()
