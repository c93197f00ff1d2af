"""The prepared files of licensed data, where this machine has them.

AMPOSE_HUMAN36M names the folder of data_3d_h36m.npz and
data_2d_h36m_gt.npz, AMPOSE_MPI_INF_3DHP that of mpi_inf_3dhp_test.npz.
"""

import os
import pathlib

import numpy as np
import pytest

from ampose_tf.camera import denormalize_screen
from ampose_tf.data import archive, human36m, mpi_inf_3dhp
from ampose_tf.data.preparation.official_human36m import TRAINING_PAIRS
from ampose_tf.evaluation.protocols import OFFICIAL_POSES


def folder_of(variable):
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set")
    return pathlib.Path(os.environ[variable])


def limb_lengths_m(poses):
    ends = [(1, 2), (2, 3), (4, 5), (5, 6)]  # thighs and shanks
    parent, child = np.transpose(ends)
    return np.linalg.norm(
        poses.poses_3d[:, child] - poses.poses_3d[:, parent], axis=-1
    )


def test_human36m_has_the_official_pairs():
    root = folder_of("AMPOSE_HUMAN36M")
    poses = human36m.load(root, ("S1", "S5", "S6", "S7", "S8"))
    assert poses.count == TRAINING_PAIRS
    for subject in np.unique(poses.subjects):
        lengths = limb_lengths_m(
            poses.select(np.flatnonzero(poses.subjects == subject))
        )
        assert ((lengths > 0.35) & (lengths < 0.55)).all()
        assert lengths.std(axis=0).max() < 5e-3  # a skeleton, not markers


def test_human36m_is_seen_by_our_cameras():
    root = folder_of("AMPOSE_HUMAN36M")
    world = archive.read(root / human36m.FILE_3D)["positions_3d"]
    image = archive.read(root / human36m.FILE_2D.format(keypoints="gt"))
    image = image["positions_2d"]
    for subject in image:
        for name, views in image[subject].items():
            joints = np.asarray(world[subject][name])[::200]
            projected = human36m.project(subject, joints)
            for seen, given in zip(projected, views, strict=True):
                given = np.asarray(given)[: len(world[subject][name]) : 200]
                assert np.abs(seen - given).max() < 0.5, (subject, name)


def test_mpi_inf_3dhp_has_the_official_frames():
    root = folder_of("AMPOSE_MPI_INF_3DHP")
    poses = mpi_inf_3dhp.load(root)
    assert poses.count == OFFICIAL_POSES
    assert set(poses.subjects) == set(mpi_inf_3dhp.SEQUENCES)
    lengths = limb_lengths_m(poses)
    assert ((lengths > 0.3) & (lengths < 0.6)).all()
    for name, sequence in mpi_inf_3dhp.SEQUENCES.items():
        keypoints_2d = poses.keypoints_2d[poses.subjects == name]
        pixels = denormalize_screen(keypoints_2d, sequence.image_size, "width")
        middle = np.median(pixels.mean(axis=1), axis=0)
        assert (middle > 0).all() and (middle < sequence.image_size).all()
