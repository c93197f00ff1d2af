import gzip
import io
import os
import resource
import tarfile

import numpy as np
import pytest

from ampose_tf.data import archive, human36m, synthetic
from ampose_tf.data.human36m import SUBJECTS
from ampose_tf.data.preparation import (
    official_cameras,
    official_cdf,
    official_human36m,
)
from benchmarks.downloads import write_cdf, write_recording

FRAMES = 3
FOLDER = "MyPoseFeatures/D3_Positions"
FILES = ["data_2d_h36m_gt.npz", "data_3d_h36m.npz"]
# What Human3.6M calls two sequences, and what VideoPose3D does.
NAMES = {"Walking 1": "Walking 1", "TakingPhoto": "Photo"}


def recorded(subject, name):
    return synthetic.generate(subject, name, FRAMES, seed=1)


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory):
    """All subjects' folders, with two recordings of each."""
    source = tmp_path_factory.mktemp("human36m")
    for subject in SUBJECTS:
        folder = source / subject / FOLDER
        for name, canonical in NAMES.items():
            write_recording(
                folder / f"{name}.cdf", recorded(subject, canonical)
            )
    # Left out before anybody looks into it.
    (source / "S11" / FOLDER / "Directions.cdf").write_bytes(b"corrupt")
    return source


@pytest.fixture
def source(downloaded, tmp_path):
    """The same folder for a test to spoil: S1 is its own."""
    source = tmp_path / "source"
    for subject in SUBJECTS:
        (source / subject / FOLDER).mkdir(parents=True)
        for path in (downloaded / subject / FOLDER).iterdir():
            os.link(path, source / subject / FOLDER / path.name)
    return source


def pack(source, subject, add=None):
    """Replaces a subject's folder by its archive."""
    path = source / f"Poses_D3_Positions_{subject}.tgz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(source / subject, subject)
        if add is not None:
            archive.addfile(*add)
    for file in (source / subject / FOLDER).iterdir():
        file.unlink()
    (source / subject / FOLDER).rmdir()
    return path


def test_the_recordings_come_back(downloaded, tmp_path, capsys):
    official_human36m.prepare(downloaded, tmp_path)
    assert sorted(os.listdir(tmp_path)) == FILES
    # As everybody else reads them.
    world, image = (
        np.load(tmp_path / file, allow_pickle=True)[name].item()
        for file, name in zip(
            reversed(FILES), ("positions_3d", "positions_2d"), strict=True
        )
    )
    assert list(world) == list(image) == list(SUBJECTS)
    for subject in SUBJECTS:
        assert sorted(world[subject]) == sorted(NAMES.values())
        for name, joints in world[subject].items():
            expected = recorded(subject, name)
            assert joints.dtype == np.float32
            np.testing.assert_allclose(joints, expected, atol=1e-5)
            for camera, view in zip(
                human36m.cameras(subject), image[subject][name], strict=True
            ):
                assert view.dtype == np.float32
                seen = camera.project(
                    camera.world_to_camera(expected)[:, human36m.JOINTS_OF_32]
                )
                np.testing.assert_allclose(view, seen, atol=0.02)
    metadata = archive.read(tmp_path / FILES[0])["metadata"]
    assert metadata == {
        "layout_name": "h36m",
        "num_joints": 17,
        "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
    }
    assert not synthetic.is_generated(tmp_path)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == (
        "S1: 2 sequences, 6 frames; official: 30 sequences (differs)"
    )
    assert printed[6] == (
        "S11: 2 sequences, 6 frames; official: 29 sequences (differs)"
    )
    # 7 subjects of 6 frames before 4 cameras; 5 of them train.
    assert printed[7:] == [
        f"Writing to {tmp_path}, and reading back",
        f"{tmp_path}: 7 subjects, 42 frames, 168 pairs; for training 120, "
        "official: 1559752 (differs)",
    ]


def test_archives_hold_the_same(source, tmp_path):
    outputs = tmp_path / "folders", tmp_path / "archives"
    official_human36m.prepare(source, outputs[0])
    for subject in ("S1", "S11"):
        pack(source, subject)
    official_human36m.prepare(source, outputs[1])
    folders, archives = (archive.read(path / FILES[1]) for path in outputs)
    for subject, actions in folders["positions_3d"].items():
        others = archives["positions_3d"][subject]
        assert list(actions) == list(others)
        for name, joints in actions.items():
            np.testing.assert_array_equal(joints, others[name])


def test_the_official_numbers(monkeypatch, downloaded, tmp_path, capsys):
    monkeypatch.setattr(official_human36m, "RECORDINGS", 2)
    monkeypatch.setattr(official_human36m, "TRAINING_PAIRS", 120)
    official_human36m.prepare(downloaded, tmp_path)
    printed = capsys.readouterr().out
    assert "S1: 2 sequences, 6 frames; official: 2 sequences\n" in printed
    # S11's corrupt sequence does not count.
    assert "S11: 2 sequences, 6 frames; official: 1 sequences (dif" in printed
    assert printed.endswith("for training 120, official: 120\n")


def test_generated_motion_is_not_replaced(downloaded, tmp_path):
    archive.write(
        tmp_path / FILES[1], metadata={"generator": synthetic.GENERATOR}
    )
    with pytest.raises(ValueError, match="contains generated motion; choose"):
        official_human36m.prepare(downloaded, tmp_path)
    assert os.listdir(tmp_path) == [FILES[1]]


def spoil(change):
    """Returns a mistake: `change(S1's folder, its Walking 1)`."""

    def spoilt(source):
        folder = source / "S1" / FOLDER
        walking = folder / "Walking 1.cdf"
        content = walking.read_bytes()
        walking.unlink()  # It is a hard link.
        change(walking, content)

    return spoilt


def truncate(walking, content):
    walking.write_bytes(content[: len(content) // 2])


def other_shape(*shape, value=100.0):
    return spoil(lambda walking, _: write_cdf(walking, np.full(shape, value)))


def changed(change):
    def spoilt(walking, _):
        joints = recorded("S1", "Walking 1")
        write_recording(walking, change(joints))

    return spoil(spoilt)


def with_nan(joints):
    joints[1, 2, 0] = np.nan
    return joints


def with_one_huge_number(joints):
    joints[0, 1] = 1e30
    return joints


def no_subject(source):
    for path in (source / "S5" / FOLDER).iterdir():
        path.unlink()
    (source / "S5" / FOLDER).rmdir()


def no_files(source):
    for path in (source / "S1" / FOLDER).iterdir():
        path.unlink()


def second_name(source):
    folder = source / "S1" / FOLDER
    os.link(folder / "TakingPhoto.cdf", folder / "Photo.cdf")


def other_action(source):
    folder = source / "S1" / FOLDER
    os.link(folder / "Walking 1.cdf", folder / "Dancing 2.cdf")


def member(name, **values):
    """Returns a mistake: another member in the archive of S1."""

    def spoilt(source):
        entry = tarfile.TarInfo(name)
        for key, value in values.items():
            setattr(entry, key, value)
        pack(source, "S1", (entry, io.BytesIO(bytes(entry.size))))

    return spoilt


def incomplete(source):
    path = pack(source, "S1")
    path.write_bytes(path.read_bytes()[:-200])


def no_archive(source):
    pack(source, "S1").write_bytes(b"<html>Please log in</html>")


def archive_of_another(source):
    path = pack(source, "S5")
    no_files(source)
    (source / "S1" / FOLDER).rmdir()
    path.rename(source / "Poses_D3_Positions_S1.tgz")


MISTAKES = {
    "corrupt": (spoil(truncate), r"Walking 1.cdf: not a readable CDF file"),
    "no CDF": (
        spoil(lambda walking, _: walking.write_bytes(b"")),
        r"not a readable .* \(it is not a CDF file",
    ),
    "no Pose": (
        spoil(lambda walking, _: write_cdf(walking, np.ones((1, 3, 96)), "P")),
        r"Walking 1.cdf: no variable Pose; it contains P$",
    ),
    "columns": (
        other_shape(1, 3, 78),
        r"shape \(1, T, 96\), got \(1, 3, 78\)",
    ),
    "records": (
        other_shape(2, 3, 96),
        r"shape \(1, T, 96\), got \(2, 3, 96\)",
    ),
    "axes": (other_shape(3, 96), r"shape \(1, T, 96\), got \(3, 96\)"),
    "metres": (
        changed(lambda joints: joints / 1000),
        "expected millimetres, .*; it looks like metres$",
    ),
    "NaN": (changed(with_nan), r"Walking 1.cdf: Pose contains NaN"),
    "one frame": (
        changed(with_one_huge_number),
        r"Walking 1.cdf: .* RHip is inf from Hip$",
    ),
    "order": (
        changed(lambda joints: joints[:, ::-1]),
        r"Walking 1.cdf: .* joint order",
    ),
    "beyond the cameras": (
        changed(lambda joints: joints + np.float32([20, 0, 0])),
        r"Walking 1.cdf: Expected points in front",
    ),
    "subject": (
        no_subject,
        r"no file .*_S5.tgz or in .*S5/MyPoseFeatures/D3_Positions: register",
    ),
    "no files": (no_files, r"D3_Positions: no S1/MyPoseFeatures/D3_"),
    "twice": (second_name, "'Photo' of S1 exists twice"),
    "action": (other_action, "'Dancing 2' is not one of Human3.6M's actions"),
    "climbs": (
        member(f"S1/{FOLDER}/../../../x.cdf"),
        r"S1.tgz: S1.*x.cdf: a link, or a path out",
    ),
    "absolute": (member("/tmp/x.cdf"), r"/tmp/x.cdf: a link, or a path out"),
    "link": (
        member(
            f"S1/{FOLDER}/x.cdf", type=tarfile.SYMTYPE, linkname="/etc/passwd"
        ),
        r"x.cdf: a link, or a path out",
    ),
    "hard link": (
        member("x", type=tarfile.LNKTYPE, linkname=f"S1/{FOLDER}/Photo.cdf"),
        r"x: a link, or a path out",
    ),
    "large": (
        member(f"S1/{FOLDER}/Eating.cdf", size=2**26 + 1),
        "Eating.cdf: too large for a recording",
    ),
    "incomplete": (incomplete, "S1.tgz: not a readable .tgz archive"),
    "no archive": (no_archive, "S1.tgz: not a readable .tgz archive"),
    "of another": (archive_of_another, "S1.tgz: no S1/MyPoseFeatures/D3_"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(source, tmp_path, mistake):
    spoil_source, message = MISTAKES[mistake]
    spoil_source(source)
    output = tmp_path / "output"
    with pytest.raises((ValueError, OSError), match=message) as raised:
        official_human36m.prepare(source, output)
    assert "\n" not in str(raised.value)
    assert not output.exists()


def test_what_hangs_or_takes_all_memory_is_named(
    source, tmp_path, monkeypatch
):
    """In the child that reads it; the library's place is taken."""
    (tmp_path / "cdflib.py").write_text(
        "import os\n\ndef CDF(name):\n"
        "    if os.environ['KIND'] == 'hang':\n"
        "        while True:\n            pass\n"
        "    if os.environ['KIND'] == 'crash':\n        os.abort()\n"
        "    return bytes(2**40)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(official_human36m, "_LONGEST_S", 2)
    for kind, message in (
        ("hang", r"D3_Positions.TakingPhoto.cdf: .* \(takes more than"),
        ("memory", r"D3_Positions.TakingPhoto.cdf: .* \(needs more memory"),
        ("crash", r"D3_Positions: is damaged or not supported \(SIGABRT\)"),
    ):
        monkeypatch.setenv("KIND", kind)
        with pytest.raises(ValueError, match=message):
            official_human36m.prepare(source, tmp_path / "output")


def test_an_archive_with_an_endless_name_is_refused(
    source, tmp_path, monkeypatch
):
    """Of 5 MB and 4 GB: `tarfile` keeps names in memory."""
    path = pack(source, "S1")
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 2**32
    header = gzip.compress(entry.tobuf(tarfile.GNU_FORMAT))
    path.write_bytes(header + gzip.compress(bytes(2**24)) * 2**8)
    monkeypatch.setattr(official_human36m, "_LONGEST_S", 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="_S1.tgz: "):
        official_human36m.prepare(source, tmp_path / "output")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 2**18  # KiB.


def test_damage_anywhere_is_one_message(source, tmp_path):
    """Every tenth byte of a CDF file turned round."""
    walking = source / "S1" / FOLDER / "Walking 1.cdf"
    content = walking.read_bytes()
    refused = 0
    for position in range(0, 900, 10):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        try:
            official_cdf._read_joints(bytes(damaged), "here")
        except ValueError as error:
            assert str(error).startswith("here: ")
            refused += 1
    assert refused > 20


def metadata_xml(change=None):
    """Returns metadata.xml of our own figures, by the task's formulas."""
    numbers = np.zeros(300)
    for subject in SUBJECTS:
        for index, camera in enumerate(human36m.cameras(subject)):
            turn = camera.rotation().T
            # Of Rx(a) Ry(b) Rz(c).
            angles = (
                np.arctan2(-turn[1, 2], turn[2, 2]),
                np.arcsin(turn[0, 2]),
                np.arctan2(-turn[0, 1], turn[0, 0]),
            )
            place = 6 * (11 * index + int(subject[1:]) - 1)
            position = 1000 * np.array(camera.translation)
            numbers[place : place + 6] = [*angles, *position]
            numbers[264 + 9 * index :][:9] = [
                *camera.focal_length,
                *camera.center,
                *camera.radial_distortion,
                *camera.tangential_distortion[::-1],
            ]
    if change is not None:
        place, by = change
        numbers[place] += by
    text = " ".join(f"{number:.8g}" for number in numbers)
    return f"<document><mapping/><w0>[{text}]</w0></document>"


def compare(tmp_path, text):
    path = tmp_path / "metadata.xml"
    path.write_text(text)
    return official_cameras.compare(path).replace(str(path), "FILE")


def test_our_cameras_beside_the_official_ones(tmp_path):
    assert compare(tmp_path, metadata_xml()) == (
        "FILE: our 28 cameras agree with it"
    )


@pytest.mark.parametrize(
    ("place", "by", "lines"),
    [
        # Subject 5 before camera 2: 6 (2 * 11 + 4) = 156.
        (156, 0.01, ["camera 2 of S5: rotation differs from ours by up to 0"]),
        (161, 3.0, ["camera 2 of S5: position (mm) differs from ours by up "]),
        # Camera 3's centre, and its second tangential number: our first.
        (294, 1, [f"camera 3 of {s}: centre (px) differs " for s in SUBJECTS]),
        (299, 1, [f"camera 3 of {s}: tangential distor" for s in SUBJECTS]),
    ],
)
def test_cameras_that_differ_are_named(tmp_path, place, by, lines):
    found = compare(tmp_path, metadata_xml((place, by))).splitlines()
    assert len(found) == len(lines)
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(f"FILE: {start}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<document/>", "no element w0"),
        ("<document><w0/></document>", "metadata.xml"),
        ("<document><w0>[1 2]</w0></document>", "2 numbers in w0"),
        ("<document><w0>[1 x]</w0></document>", "could not convert"),
        ("hello", "syntax error"),
    ],
)
def test_other_xml(tmp_path, text, message):
    with pytest.raises(ValueError, match=f"not Human3.6M's .*{message}"):
        compare(tmp_path, text)


def test_metadata_is_read_before_anything_else(downloaded, tmp_path, capsys):
    path = tmp_path / "metadata.xml"
    with pytest.raises(FileNotFoundError, match=f"no file {path}"):
        official_human36m.prepare(downloaded, tmp_path / "output", path)
    path.write_text(metadata_xml())
    official_human36m.prepare(downloaded, tmp_path / "output", path)
    assert capsys.readouterr().out.startswith(f"{path}: our 28 cameras agree")
