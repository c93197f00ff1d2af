r"""Downloads the files of BlazePose's networks to the user's cache.

    python -m ampose_tf.lifting.blazepose.models
    python -m ampose_tf.lifting.blazepose.models --wheel=FILE
    python -m ampose_tf.lifting.blazepose.models --npm=FOLDER

The files are Google's, under the Apache License 2.0, and not part of this
package. The detector and `full` are from MediaPipe's wheel, which pip
downloads but does not install or run, so the wheel may be for another machine.
`lite` and `heavy` are only in the npm package @mediapipe/pose; if npm is not
installed or its download fails, they are left out with a message. --wheel and
--npm read files that you have downloaded: the wheel, or the folder of the
unpacked npm package. The SHA-256 of every file is checked before it is saved.
Existing files are not downloaded again.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
from typing import NamedTuple

from absl import flags

from ampose_tf import config, files, reading, unpacking

DETECTORS = ("lite", "full", "heavy")
COMMAND = "python -m ampose_tf.lifting.blazepose.models"

_WHEEL = "mediapipe==0.10.21"
_NPM = "@mediapipe/pose@0.5.1675469404"
_MOST_BYTES = 2**25
_MOST_SECONDS = 1800


class _File(NamedTuple):
    """Source and SHA-256 of a file.

    Attributes:
        wheel: Path in MediaPipe's wheel; empty if the wheel does not contain
            the file.
        npm: Name in the folder of the npm package.
        sha256: Hashes of all published builds. The detector has two, that of
            the wheel and that of the npm package.
    """

    wheel: str
    npm: str
    sha256: tuple[str, ...]


_FILES = {
    "pose_detection.tflite": _File(
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        # The package's only asset is the file itself.
        "pose_solution_packed_assets.data",
        (
            "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
            "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",
        ),
    ),
    "pose_landmark_full.tflite": _File(
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "pose_landmark_full.tflite",
        ("e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",),
    ),
    "pose_landmark_lite.tflite": _File(
        "",
        "pose_landmark_lite.tflite",
        ("f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",),
    ),
    "pose_landmark_heavy.tflite": _File(
        "",
        "pose_landmark_heavy.tflite",
        ("59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",),
    ),
}


class Paths(NamedTuple):
    """The two files that a detector needs."""

    detection: pathlib.Path
    landmarks: pathlib.Path


def folder() -> pathlib.Path:
    """Returns the folder of the files, in the user's cache."""
    # An empty variable counts as unset.
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "ampose_tf" / "blazepose"


def paths(detector: str) -> Paths:
    """Returns the files of a detector, after checking their SHA-256.

    Args:
        detector: One of `DETECTORS`.

    Raises:
        OSError: If a file is missing. The message contains the command that
            downloads it.
        ValueError: If the detector is unknown, or a file's SHA-256 differs
            from the published one.
    """
    if detector not in DETECTORS:
        raise ValueError(
            f"unknown detector {detector!r}; expected one of "
            f"{', '.join(DETECTORS)}"
        )
    found = []
    for name in ("pose_detection.tflite", f"pose_landmark_{detector}.tflite"):
        path = folder() / name
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing; download BlazePose's models once with "
                f"{COMMAND}"
            )
        if files.sha256(path) not in _FILES[name].sha256:
            raise ValueError(
                f"{path}: not the published file (its SHA-256 differs); "
                f"remove it and run {COMMAND}"
            )
        found.append(path)
    return Paths(*found)


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `main`."""
    flags.DEFINE_string(
        "wheel",
        "",
        f"Path of the wheel of {_WHEEL}, which is read instead of downloaded.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "npm",
        "",
        f"Folder of the npm package {_NPM}, which is read instead of "
        "downloading anything.",
        flag_values=flag_values,
    )


def main(options: flags.FlagValues) -> None:
    """Saves the files in the cache.

    Raises:
        OSError: If a file is missing or cannot be written.
        ValueError: If the wheel cannot be downloaded, or a file is not the
            published one.
    """
    if options.wheel and options.npm:
        raise ValueError("give either --wheel or --npm, not both")
    if options.wheel:
        _from_wheel(pathlib.Path(options.wheel))
    elif options.npm:
        _from_npm(pathlib.Path(options.npm))
    else:
        _download()


def _download():
    if any(_is_missing(name) for name, file in _FILES.items() if file.wheel):
        with files.workplace(folder()) as place:
            _from_wheel(_downloaded_wheel(place))
    if not any(_is_missing(name) for name in _FILES):
        print(f"all of BlazePose's models are in {folder()}")
    elif shutil.which("npm") is None:
        _say_without_npm(
            "npm is not installed; --npm=FOLDER reads the unpacked package"
        )
    else:
        with files.workplace(folder()) as place:
            try:
                package = _downloaded_package(place)
            except ValueError as error:
                # `full`, the default, is available.
                _say_without_npm(str(error))
            else:
                _from_npm(package)


def _say_without_npm(why):
    print(
        f"full is in {folder()}; lite and heavy, which only the npm package "
        f"{_NPM} contains, are not: {why}"
    )


def _downloaded_wheel(place):
    _run(
        *(sys.executable, "-m", "pip", "download", "--no-deps"),
        *("--only-binary=:all:", "--python-version", "3.12"),
        *("--platform", "manylinux_2_28_x86_64", "--dest", place, _WHEEL),
        instead=f"download {_WHEEL} yourself and give --wheel=FILE",
    )
    return next(place.glob("*.whl"))


def _downloaded_package(place):
    _run(
        *("npm", "install", "--prefix", place, "--ignore-scripts"),
        *("--no-audit", "--no-fund", "--no-package-lock", _NPM),
        instead="run this again, or give the unpacked package with "
        "--npm=FOLDER",
    )
    return place / "node_modules" / "@mediapipe" / "pose"


def _run(*command, instead):
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_MOST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"{command[0]} took more than {_MOST_SECONDS} s; {instead}"
        ) from error
    except subprocess.CalledProcessError as error:
        said = [line for line in error.stderr.splitlines() if line.strip()]
        reason = reading.shown(said[-1].strip() if said else "no message", 90)
        raise ValueError(f"the download failed ({reason}); {instead}") from (
            error
        )


def _from_wheel(path):
    with reading.opened(path) as file:
        for name, expected in _FILES.items():
            if not expected.wheel or not _is_missing(name):
                continue
            try:
                with reading.guarded():
                    members = dict(
                        unpacking.zip_members(
                            file, _MOST_BYTES, expected.wheel
                        )
                    )
            except ValueError as error:
                raise ValueError(
                    f"{path}: not a wheel, or damaged; expected the wheel of "
                    f"{_WHEEL}"
                ) from error
            if not members:
                raise ValueError(
                    f"{path}: it does not contain {expected.wheel}; expected "
                    f"the wheel of {_WHEEL}"
                )
            _keep(name, members[expected.wheel], path)


def _from_npm(found):
    if not found.is_dir():
        raise ValueError(
            f"{found}: expected the folder of the unpacked package {_NPM}"
        )
    for name, expected in _FILES.items():
        if not _is_missing(name):
            continue
        path = found / expected.npm
        try:
            content = reading.content(path, _MOST_BYTES)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        _keep(name, content, path)


def _keep(name, content, source):
    if hashlib.sha256(content).hexdigest() not in _FILES[name].sha256:
        raise ValueError(
            f"{source}: its {name} is not the published one (its SHA-256 "
            f"differs); expected that of {_WHEEL} or {_NPM}"
        )
    path = folder() / name
    with files.replacing(path) as temporary:
        temporary.write_bytes(content)
    print(path)


def _is_missing(name):
    path = folder() / name
    with contextlib.suppress(OSError):
        return files.sha256(path) not in _FILES[name].sha256
    return True


if __name__ == "__main__":
    config.run(main, define_flags)
