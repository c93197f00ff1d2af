"""Compares Human3.6M's published calibration with ours.

In `metadata.xml` of the official code, `<w0>` contains 300 numbers. Those from
6 (11 c + s - 1) on are the extrinsics of camera c (0 to 3) for subject s:
three Euler angles, with which Rx Ry Rz rotates the world's axes to the
camera's, and the position in millimetres. Those from 264 + 9 c on are focal
length and centre (2 + 2), radial (3) and tangential (2) distortion, the last
in reverse order to ours. Layout after
https://github.com/una-dinosauria/3d-pose-baseline.
"""

import os
import xml.etree.ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

from ampose_tf import reading
from ampose_tf.data import human36m

_MOST_BYTES = 2**24
# Tolerances for the rounding of float32 and of printed decimals.
_TOLERANCES = {
    "rotation": 1e-5,
    "position (mm)": 1e-2,
    "focal length (px)": 1e-3,
    "centre (px)": 1e-3,
    "radial distortion": 1e-6,
    "tangential distortion": 1e-6,
}


def compare(path: str | os.PathLike) -> str:
    """Compares our cameras with those in `metadata.xml`.

    Returns:
        One line if all cameras agree, or one line per differing parameter.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file does not contain a calibration.
    """
    numbers = _read(path)
    lines, cameras = [], 0
    for subject in human36m.SUBJECTS:
        for index, camera in enumerate(human36m.cameras(subject)):
            cameras += 1
            ours = _ours(camera)
            theirs = _official(numbers, int(subject[1:]), index)
            for figure, tolerance in _TOLERANCES.items():
                difference = np.abs(ours[figure] - theirs[figure]).max()
                if not difference <= tolerance:
                    lines.append(
                        f"{path}: camera {index} of {subject}: {figure} "
                        f"differs from ours by up to {difference:.3g}"
                    )
    return "\n".join(lines) or f"{path}: our {cameras} cameras agree with it"


def _read(path):
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no file {path}")
    try:
        text = reading.content(path, _MOST_BYTES)
        element = xml.etree.ElementTree.fromstring(text).find(".//w0")
        if element is None:
            raise ValueError("no element w0")
        numbers = np.array(element.text.strip().strip("[]").split(), float)
        if numbers.shape != (300,):
            raise ValueError(f"{len(numbers)} numbers in w0, expected 300")
    except (
        xml.etree.ElementTree.ParseError,
        AttributeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"{path}: not Human3.6M's metadata.xml ({error})"
        ) from error
    return numbers


def _ours(camera):
    return {
        "rotation": camera.rotation().T,
        "position (mm)": 1000 * np.array(camera.translation),
        "focal length (px)": np.array(camera.focal_length),
        "centre (px)": np.array(camera.center),
        "radial distortion": np.array(camera.radial_distortion),
        "tangential distortion": np.array(camera.tangential_distortion),
    }


def _official(numbers, subject, camera):
    outer = numbers[6 * (11 * camera + subject - 1) :][:6]
    inner = numbers[264 + 9 * camera :][:9]
    return {
        "rotation": Rotation.from_euler("XYZ", outer[:3]).as_matrix(),
        "position (mm)": outer[3:],
        "focal length (px)": inner[:2],
        "centre (px)": inner[2:4],
        "radial distortion": inner[4:7],
        "tangential distortion": inner[:6:-1],
    }
