"""Every command and program of README, docs and Makefile, and mistakes."""

import json
import pathlib
import re
import resource
import shlex
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

import ampose_tf
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data import archive, mpi_inf_3dhp
from ampose_tf.lifting import results
from ampose_tf.lifting.blazepose import models
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.skeleton import H36M_17, predict_mirrored
from benchmarks.downloads import annotations, write_annotations
from tests import clips, pages
from tests.commands import ROOT, run
from tests.pages import TINY
from tests.people import STANDING


def makefile_commands(target):
    """Returns what make would run after the installation."""
    printed = subprocess.run(
        ["make", "--dry-run", target],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return re.findall(r"^\S+/bin/(python \w+\.py .*)$", printed, flags=re.M)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that looks like a clone and in which runs may leave files."""
    clone = tmp_path_factory.mktemp("clone")
    for name in (
        "ampose_tf",
        "configs",
        "benchmarks",
        "docs",
        *(p.name for p in scripts()),
    ):
        (clone / name).symlink_to(ROOT / name)
    # What the pages call the user's.
    (clone / "clips").mkdir()
    for name in ("clip", "clips/first", "clips/second"):
        content = json.dumps(clips.coco_results(1))
        (clone / f"{name}.json").write_text(content)
    pixels = CONVERSIONS["COCO-17"].convert(clips.truth()[0][:3, 0])
    np.save(clone / "clip.npy", pixels)
    motion = ampose_tf.Lifter()(clone / "clip.json", fps=25)
    motion.save(clone / "recorded.json")
    return clone


def scripts():
    return sorted(ROOT.glob("*.py"))


def run_process(command, cwd, **options):
    """Runs a command in a process of its own, as users do."""
    python, *arguments = shlex.split(command)
    assert python == "python"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


def one_line(stderr):
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    return lines[0]


def assert_shows_both_sides(path):
    """A picture of people has their left in orange and their right in blue."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert min(pixels.shape[:2]) >= 200
    red, green, blue = np.moveaxis(pixels, -1, 0)
    for colour in (red - blue > 100, blue - red > 100):
        assert colour.sum() > 100


@pytest.fixture(scope="module")
def typed(folder):
    """Runs a command as its rule says, the first time that it is asked for."""
    ended = {}

    def run_once(command):
        if command not in ended:
            _, further, _ = pages.rule(command)
            if command.startswith("bash "):
                ended[command] = subprocess.run(
                    shlex.split(command),
                    cwd=folder,
                    capture_output=True,
                    text=True,
                )
            else:
                ended[command] = run(command, folder, *further)
        return ended[command]

    return run_once


@pytest.fixture(scope="module")
def demo(typed):
    """Runs the Makefile's demo."""
    ended = [typed(command) for command in makefile_commands("demo")]
    for done in ended:
        assert done.returncode == 0, done.stderr
    return ended


def check_names(command, setup):
    """Compares a command that is not run with what it is about."""
    words = shlex.split(command)
    if words[0] == "make":
        phony = re.search(r"^\.PHONY: (.*)$", setup["Makefile"], flags=re.M)
        assert set(words[1:]) <= set(phony[1].split()), command
    elif words[0] == "pip":
        for word in words[2:]:
            if extra := re.fullmatch(r"\.\[(\w+)\]", word):
                assert f"\n{extra[1]} =\n" in setup["setup.cfg"], command
            elif word.endswith(".txt"):
                assert (ROOT / word).exists(), command
            else:
                assert word in ("-e", "-r", "--no-deps", "."), command
    else:
        assert command == models.COMMAND


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_commands_of_the_page(page, demo, typed):
    """After the Makefile's demo, whose model the pages use."""
    assert len(demo) == 5
    setup = {
        name: (ROOT / name).read_text() for name in ("Makefile", "setup.cfg")
    }
    if pages.run_elsewhere(page, "sh"):
        return
    for command in pages.commands(page):
        how, _, status = pages.rule(command)
        if how == "check":
            check_names(command, setup)
        if how != "run":
            continue
        ended = typed(command)
        assert ended.returncode == status, f"{command}\n{ended.stderr}"
        if status == 2:
            assert re.search(
                r"no (file|folder|model) |No such file", one_line(ended.stderr)
            )


def marked(page):
    marks = [pytest.mark.slow] if page.name in pages.SLOW_PYTHON else []
    return pytest.param(page, marks=marks, id=page.name)


@pytest.mark.parametrize("page", [marked(page) for page in pages.PAGES])
def test_python_of_the_page(page, demo, typed, folder, monkeypatch):
    """One program, after the commands of the page."""
    snippets = pages.blocks(page, "python")
    if not snippets or pages.run_elsewhere(page, "python"):
        return
    for command in pages.commands(page):
        if pages.rule(command).how == "run":
            typed(command)
    monkeypatch.chdir(folder)
    program = {}
    for snippet in snippets:
        exec(snippet.code, program)
        poses_3d = np.asarray(program["poses_3d"])
        assert poses_3d.shape[1:] == (17, 3)
        assert np.isfinite(poses_3d).all()


def test_blocks_of_every_page_are_run():
    """A block of another language is text, or read by the named test."""
    for page in pages.PAGES:
        for language, _ in pages.blocks(page):
            known = ("sh", "python", "bibtex", "")
            elsewhere = pages.run_elsewhere(page, language)
            assert language in known or elsewhere, (page.name, language)
    for (name, _), test in pages.RUN_BY.items():
        assert name in (ROOT / test).read_text(encoding="utf-8"), test


def test_the_demo_leaves_its_report(demo, folder):
    report = json.loads((folder / "runs/demo/evaluation.json").read_text())
    assert {
        "mpjpe_mm",
        "p_mpjpe_mm",
        "n_mpjpe_mm",
        "actions",
        "poses",
        "model",
        "config",
    } <= set(report)
    assert report["checkpoint"].startswith("best.keras: lowest validation")
    assert report["data"].startswith("generated motion")
    assert len(report["actions"]) == 15


@pytest.fixture(scope="module")
def demo_clip(tmp_path_factory):
    """The clip of the README's picture, from PyPI."""
    folder = tmp_path_factory.mktemp("demo_clip")
    try:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            + ["--no-input", "--retries=0", "--timeout=10"]
            + ["sports2d==0.8.34"],
            cwd=folder,
            capture_output=True,
            timeout=120,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("sports2d 0.8.34 cannot be fetched from PyPI")
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        (name,) = [n for n in wheel.namelist() if n.endswith("Demo/demo.mp4")]
        (folder / "demo.mp4").write_bytes(wheel.read(name))
    return folder / "demo.mp4"


def slow_commands():
    """Returns the commands of the pages that have the rule "slow"."""
    here = [p for p in pages.PAGES if not pages.run_elsewhere(p, "sh")]
    found = [c for page in here for c in pages.commands(page)]
    return sorted({c for c in found if pages.rule(c).how == "slow"})


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [c for c in slow_commands() if "--video=" not in c]
)
def test_slow_commands(command, demo, typed):
    assert len(demo) == 5
    ended = typed(command)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow  # Not for its time: it downloads.
def test_a_pages_video(folder, request):
    """The command as it stands, on the first second of the demo's clip."""
    (command,) = [c for c in slow_commands() if "--video=" in c]
    try:
        models.paths("full")
    except OSError:
        pytest.skip(f"BlazePose's models are missing; {models.COMMAND}")
    clip = request.getfixturevalue("demo_clip")
    (folder / "clip.mp4").symlink_to(clip)
    ended = run(command, folder, *pages.rule(command).further)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [
        "lifted/clip.npz",
        "lifted/clip.bvh",
        "lifted/clip.html",
    ]
    motion = results.load(folder / "lifted/clip.npz")
    (track,) = motion.tracks
    assert (motion.fps, motion.image_size) == (30, (1768, 994))
    assert len(track.frames) >= 28
    # He stands on a roof, in the upper half of the image, head up.
    head, foot = (
        track.keypoints_px[:, motion.skeleton.joints.index(joint), 1]
        for joint in ("Head", "LFoot")
    )
    assert (head < foot - 200).all() and (foot < 994 / 2).all()


def test_demo_of_the_makefile(folder, demo):
    assert [shlex.split(line)[1] for line in makefile_commands("demo")] == [
        "train.py",
        "evaluate.py",
        "export.py",
        "evaluate.py",
        "lift.py",
    ]
    *_, evaluated, lifted = demo
    table = evaluated.stdout.split("\n\n")[-1]
    rows = [line.split()[0] for line in table.splitlines()[1:-1]]
    assert [pathlib.Path(row).name for row in rows] == [
        "best.keras",
        "saved_model",
        "ampose_float32.tflite",
        "ampose_float16.tflite",
        "ampose_dynamic_int8.tflite",
    ]
    assert_shows_both_sides(folder / lifted.stdout.splitlines()[-1])
    # SavedModel and float32 are the model, to the hundredth of a millimetre.
    reports = json.loads(
        (folder / "runs/demo/export/evaluation.json").read_text()
    )
    exact = [entry["mpjpe_mm"] for entry in reports[:3]]
    np.testing.assert_allclose(exact, exact[0], atol=0.01)


def test_a_table_of_the_paper_and_its_figure(folder, demo):
    table = (
        "python evaluate.py --config=configs/demo.py --table=2"
        " --model=runs/demo/best.keras --report=runs/demo/table_2.json"
    )
    ended = run(table, folder, *TINY)
    assert ended.returncode == 0, ended.stderr
    assert "Table 2: MPJPE in mm on Human3.6M" in ended.stdout
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["AMPose", "17", "33.7"] in rows
    assert "generated motion, not comparable" in ended.stdout
    printed = (folder / "runs/demo/table_2_printed.txt").read_text()
    assert ended.stdout.startswith(printed)
    figure = (
        "python -m ampose_tf.evaluation.figure"
        " --poses=runs/demo/table_2_poses.npz --output=runs/demo/figure"
    )
    ended = run(figure, folder)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [
        "runs/demo/figure.png",
        "runs/demo/figure.svg",
    ]
    assert_shows_both_sides(folder / "runs/demo/figure.png")
    svg = (folder / "runs/demo/figure.svg").read_text(encoding="utf-8")
    assert svg.rstrip().endswith("</svg>") and svg.count("<path") > 50
    ended = run(table.replace("=2", "=3"), folder, *TINY)
    assert ended.returncode == 2
    assert "measured on data.dataset=mpi_inf_3dhp" in one_line(ended.stderr)


LIFT = (
    "python lift.py --model=runs/demo/best.keras --output=runs/demo/export"
    " --keypoints=data/synthetic/clip_S9_Walking.npz"
)
EVALUATE = (
    "python evaluate.py --config=configs/demo.py --model=runs/demo/best.keras"
    " --report=runs/demo/export/report.json"
)
GENERATE = "python -m ampose_tf.data.synthetic --output=runs/demo/export/new"


@pytest.mark.parametrize(
    ("command", "limit"),
    [
        (
            next(c for c in makefile_commands("demo") if "export.py" in c),
            20_000,
        ),
        (LIFT, 1000),
        (EVALUATE, 1000),
        (GENERATE, 1000),
    ],
    ids=["export", "lift", "evaluate", "generate"],
)
def test_full_disk_keeps_what_is_there(folder, demo, command, limit):
    """A file size limit is a full disk that needs no root to set up."""
    export = folder / "runs/demo/export"
    kept = {p: p.read_bytes() for p in export.rglob("*") if p.is_file()}
    assert len(kept) >= 8
    further = TINY if "configs/demo.py" in command else ["--frames=2"]
    further = [] if "lift.py" in command else further
    ended = run_process(
        shlex.join([*shlex.split(command), *further]),
        folder,
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (limit, limit)
        ),
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert re.match(r"\w+\.py: ", ended.stderr.splitlines()[-1])
    after = {p: p.read_bytes() for p in export.rglob("*") if p.is_file()}
    assert after == kept


def test_data_that_is_missing_is_named_with_its_source(folder):
    ended = run_process(
        "python train.py --config=configs/h36m_gt_17.py --workdir=x", folder
    )
    assert ended.returncode == 2
    # Not one line beside it: TensorFlow has not been loaded.
    assert ended.stderr.count("\n") == 1
    assert "data/data_3d_h36m.npz" in ended.stderr
    assert "http://vision.imar.ro/human3.6m" in ended.stderr
    assert not (folder / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            [],
            "expected --video=... or --keypoints=...; see --help",
        ),
        (
            ["clip.json"],
            "Unexpected argument 'clip.json'; flags start with --",
        ),
    ],
)
def test_a_missing_flag_is_named(folder, arguments, said):
    ended = run("python lift.py", folder, *arguments)
    assert ended.returncode == 2
    assert ended.stderr == f"lift.py: {said}\n"


@pytest.mark.parametrize("script", scripts(), ids=lambda path: path.stem)
def test_docstring_has_a_command(script):
    assert f"python {script.name} --" in script.read_text(encoding="utf-8")


@pytest.fixture
def archived(tmp_path):
    """A small mocap archive in a folder of its own."""
    wander = np.random.default_rng(1).normal(0, 0.3, (5, 1, 3)) * [1, 1, 0]
    motion = STANDING + wander
    archive.write(
        tmp_path / "tiny.npz",
        **{"A/1": motion.astype(np.float32), "B/1": motion.astype(np.float32)},
    )
    card = {"joints": H36M_17.joints, "train": ["A"], "validation": ["B"]}
    (tmp_path / "tiny.json").write_text(json.dumps(card))
    return tmp_path


def test_motion_archive_from_training_to_report(archived, folder):
    config = [
        "--config=configs/mocap_fixed.py",
        f"--config.data.root={archived}",
        "--config.data.archives=('tiny',)",
        "--config.data.validation_subjects=()",
        "--config.data.validation_stride=1",
        "--config.model.depth=1",
        "--config.model.width=8",
        "--config.train.epochs=1",
    ]
    workdir = archived / "run"
    ended = run("python train.py", folder, *config, f"--workdir={workdir}")
    assert ended.returncode == 0, ended.stderr
    assert "20 training poses, 20 validation poses" in ended.stdout
    ended = run(
        "python evaluate.py",
        folder,
        *config,
        f"--model={workdir / 'last.keras'}",
        f"--report={archived / 'report.json'}",
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads((archived / "report.json").read_text())
    assert report["average"] == "poses"
    assert report["data"] == "motion archive tiny seen by 4 virtual cameras"
    assert report["checkpoint"] == "last.keras: the last epoch"


def test_mpi_inf_3dhp_from_download_to_report(folder, demo, tmp_path):
    """Evaluates the demo's model."""
    person = STANDING[None] * [1, -1, -1] + [[[0, 1, 4]]] * np.ones((3, 1, 1))
    write_annotations(
        tmp_path / "TS5/annot_data.mat",
        annotations(person[..., :2] * 400 + 700, person, [1, 0, 1]),
    )
    prepared = run(
        "python -m ampose_tf.data.prepare mpi_inf_3dhp --sequences=TS5",
        folder,
        f"--source={tmp_path}",
        f"--output={tmp_path}",
    )
    assert prepared.returncode == 0, prepared.stderr
    ended = run(
        "python evaluate.py",
        folder,
        "--config=configs/mpi_inf_3dhp.py",
        f"--config.data.root={tmp_path}",
        "--model=runs/demo/best.keras",
        f"--report={tmp_path / 'report.json'}",
    )
    assert ended.returncode == 0, ended.stderr
    assert "official 14 joints" in ended.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["poses"] == 2 and report["average"] == "poses"
    assert list(report["scenes"]) == ["Outdoor", "All"]
    # The same figures in other words: shares of the 14 joints and of poses.
    poses = mpi_inf_3dhp.load(tmp_path)
    predict = load_predictor(folder / "runs/demo/best.keras")
    mirrored = predict_mirrored(predict, poses.keypoints_2d, H36M_17)
    predicted = (predict(poses.keypoints_2d) + mirrored) / 2
    apart_mm = 1000 * np.linalg.norm(
        predicted - predicted[:, :1] - poses.poses_3d, axis=-1
    )
    assert report["mpjpe_mm"] == pytest.approx(apart_mm.mean(), rel=1e-4)
    official = apart_mm[:, [*range(1, 7), 8, *range(10, 17)]]
    shares = [(official < limit).mean() for limit in range(0, 151, 5)]
    assert report["scenes"]["All"]["pck"] == pytest.approx(100 * shares[-1])
    assert report["scenes"]["All"]["auc"] == pytest.approx(
        100 * np.mean(shares)
    )
    assert 0 < np.mean(shares) < 1
    assert report["data"].startswith("MPI-INF-3DHP's test set")


def test_drawn_cameras_from_training_to_export(archived, folder):
    config = [
        "--config=configs/mocap_s.py",
        f"--config.data.root={archived}",
        "--config.data.archives=('tiny',)",
        "--config.data.validation_subjects=()",
        "--config.data.poses_per_epoch=512",
        "--config.data.thinning_m=0",
        "--config.data.validation_stride=1",
        "--config.model.depth=1",
        "--config.model.width=8",
        "--config.train.epochs=1",
        "--config.train.jit_compile=false",
        "--config.export.float16_mm=100",
        "--config.export.dynamic_int8_mm=1000",
        "--config.export.int8_float_attention_mm=1000",
    ]
    model = archived / "run/last.keras"
    ended = run(
        "python train.py", folder, *config, f"--workdir={model.parent}"
    )
    assert ended.returncode == 0, ended.stderr
    assert "5 training frames, 512 drawn poses per epoch" in ended.stdout
    output = archived / "export"
    formats = "saved_model,float32,float16,dynamic_int8"
    ended = run(
        "python export.py",
        folder,
        *config,
        f"--model={model}",
        f"--output={output}",
        f"--formats={formats}",
    )
    assert ended.returncode == 0, ended.stderr
    report = archived / "conditions.json"
    ended = run(
        "python -m benchmarks.real_motion",
        folder,
        *config,
        f"--model={model}",
        f"--model={output / 'ampose_float32.tflite'}",
        f"--report={report}",
    )
    assert ended.returncode == 0, ended.stderr
    keras, tflite = json.loads(report.read_text()).values()
    assert list(keras) == [
        "fixed",
        "portrait",
        "low",
        "wide",
        "low and wide",
        "noisy",
        "steep",
        "behind",
        "detected",
        "detected steep",
        "detected behind",
        "hidden",
        "same joints, seen",
    ]
    for condition, row in keras.items():
        for metric, value in row.items():
            if metric.endswith("_mm"):
                assert tflite[condition][metric] == pytest.approx(value, 1e-3)
        # A person of 1.7 m of whom the network knows nothing: each joint is
        # some decimetres off, and fitting can only help.
        assert 100 < row["mpjpe_mm"] < 1000
        assert row["p_mpjpe_mm"] < row["n_mpjpe_mm"] < row["mpjpe_mm"]
    assert keras["fixed"]["poses"] == 20 >= keras["wide"]["poses"]
    assert keras["noisy"]["mpjpe_mm"] != keras["fixed"]["mpjpe_mm"]
    hidden, seen = keras["hidden"], keras["same joints, seen"]
    assert hidden["mpjpe_mm"] != seen["mpjpe_mm"]
    ended = run(
        "python -m benchmarks.gallery",
        folder,
        *config,
        f"--model={model}",
        f"--output={archived / 'pictures'}",
    )
    assert ended.returncode == 0, ended.stderr
    for name in ("good_poses", "bad_poses"):
        assert_shows_both_sides(archived / f"pictures/{name}.png")


def test_a_baseline_is_trained_and_judged(archived, folder):
    ended = run(
        "python -m benchmarks.baselines",
        folder,
        "--config=configs/mocap_s.py",
        f"--config.data.root={archived}",
        "--config.data.archives=('tiny',)",
        "--config.data.validation_subjects=()",
        "--config.data.poses_per_epoch=4",
        "--config.data.validation_stride=1",
        "--config.train.batch_size=2",
        "--config.train.epochs=1",
        "--config.train.jit_compile=false",
        "--baseline=residual_mlp",
        f"--workdir={archived / 'run'}",
    )
    assert ended.returncode == 0, ended.stderr
    assert "residual_mlp: 4683131 parameters" in ended.stdout
    judged = json.loads((archived / "run/conditions.json").read_text())
    assert set(judged) >= {"fixed", "low", "hidden"}


MISTAKES = {
    "no data": ("train.py", "--workdir=w", "no file data/data_3d_h36m.npz"),
    "field": (
        "train.py",
        "--workdir=w --config.train.epoch=3",
        "epoch",
    ),
    "type": (
        "train.py",
        "--workdir=w --config.train.epochs=many",
        "--config.train.epochs=many",
    ),
    "value": (
        "train.py",
        "--workdir=w --config.train.batch_size=0",
        "train.batch_size: expected at least 1, got 0",
    ),
    "list": (
        "train.py",
        "--workdir=w --config.data.train_subjects=S1,S5",
        "holds a comma",
    ),
    "leak": (
        "train.py",
        "--workdir=w --config.data.train_subjects=('S9',)",
        "S9 is in train_subjects and validation_subjects",
    ),
    "no workdir": ("train.py", "", "--workdir"),
    "no config": ("train.py", "--workdir=w --config=x.py", "no file x.py"),
    "model": (
        "lift.py",
        "--model=missing.keras --keypoints=clip.npy --image_size=7x5",
        "no model missing.keras",
    ),
    "size": (
        "lift.py",
        "--model=missing.keras --keypoints=clip.npy --image_size=0x5",
        "WIDTHxHEIGHT",
    ),
    "format": (
        "lift.py",
        "--model=missing.keras --keypoints=clip.npy --format=vicon",
        "unknown format 'vicon'",
    ),
    "skeleton": (
        "lift.py",
        "--model=missing.keras --keypoints=clip.npy --skeleton=cat",
        "unknown skeleton 'cat'",
    ),
    "own skeleton": (
        "lift.py",
        "--model=missing.keras --keypoints=clip.npy --skeleton=missing.json",
        "No such file or directory: 'missing.json'",
    ),
    "keypoints": (
        "lift.py",
        "--model=missing.keras --keypoints=x.npy --image_size=7x5",
        "no keypoint file x.npy",
    ),
    "ending": (
        "lift.py",
        "--keypoints=clip.npy --output=clip.fbx",
        "unknown extension .fbx",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_end_in_one_line(tmp_path, mistake):
    script, arguments, message = MISTAKES[mistake]
    np.save(tmp_path / "clip.npy", np.full((3, 17, 2), 300.0))
    before = sorted(tmp_path.rglob("*"))
    words = arguments.split()
    if script == "train.py":
        words.insert(0, f"--config={ROOT / 'configs/h36m_gt_17.py'}")
    ended = run(f"python {script}", tmp_path, *words)
    assert ended.returncode == 2, ended.stderr
    assert message in one_line(ended.stderr)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_split_is_refused(archived, folder):
    card = json.loads((archived / "tiny.json").read_text())
    (archived / "tiny.json").write_text(json.dumps(card | {"validation": []}))
    ended = run(
        "python train.py",
        folder,
        "--config=configs/mocap_fixed.py",
        f"--config.data.root={archived}",
        "--config.data.archives=('tiny',)",
        "--config.data.validation_subjects=()",
        f"--workdir={archived / 'w'}",
    )
    assert ended.returncode == 2
    assert "nothing to load for validation" in one_line(ended.stderr)
    assert not (archived / "w").exists()
