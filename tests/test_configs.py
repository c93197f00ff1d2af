"""Every experiment: complete, valid, documented, buildable."""

import importlib.util
import pathlib
import re

import pytest

from ampose_tf import config as configuration
from ampose_tf import published, training, weights
from ampose_tf.evaluation import report

CONFIGS = sorted((pathlib.Path(__file__).parents[1] / "configs").glob("*.py"))
EXPERIMENTS = [path for path in CONFIGS if path.stem != "from_json"]


def module_of(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_experiments():
    assert len(EXPERIMENTS) >= 6


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_is_valid_and_round_trips(path):
    config = module_of(path).get_config()
    configuration.check(config)
    text = configuration.to_json(config)
    assert configuration.from_json(text) == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_docstring_has_its_command(path):
    # The one config that only judges says what its model was trained by.
    script = "evaluate" if path.stem == "mpi_inf_3dhp" else "train"
    command = f"python {script}.py --config=configs/{path.name}"
    assert command in module_of(path).__doc__


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_docstring_has_the_papers_figure(path):
    module = module_of(path)
    figure = report.published_mpjpe_mm(module.get_config())
    found = re.findall(r"(\d+\.\d) mm", module.__doc__)
    assert found == ([] if figure is None else [str(figure)])


def test_docstring_has_the_papers_shares():
    path = next(path for path in CONFIGS if path.stem == "mpi_inf_3dhp")
    found = re.findall(r"\d+\.\d", module_of(path).__doc__)
    row = published.figures()["table_3"][-1]
    figures = [*row["pck"].values(), row["auc"]]
    assert [float(figure) for figure in found] == figures
    assert figures == [86.1, 87.5, 87.4, 87.0, 55.2]


@pytest.mark.parametrize("name", ["demo", "mocap_fixed"])
def test_builds(name):
    path = next(path for path in EXPERIMENTS if path.stem == name)
    config = module_of(path).get_config()
    model = training.build(config)
    assert model.width == config.model.width
    assert model.output_shape == (None, config.data.joints, 3)


def test_the_distilled_has_a_released_teacher(monkeypatch):
    """Given from the repository's root, where commands are run."""
    experiments = {path.stem: path for path in EXPERIMENTS}
    config = module_of(experiments["mocap_t_distilled"]).get_config()
    alone = module_of(experiments["mocap_t"]).get_config()
    assert configuration.difference(alone, config).startswith("train.teacher ")
    monkeypatch.chdir(CONFIGS[0].parents[1])
    assert weights.AMPOSE_S.samefile(config.train.teacher)
    student = training.build(config).student
    assert student.count_params() == 239_747  # As the card of ampose_t says.


def test_papers_recipe():
    for path in EXPERIMENTS:
        if path.stem.startswith("h36m_"):
            config = module_of(path).get_config()
            _, keypoints, joints, *variant = path.stem.split("_", 3)
            assert config.data.keypoints.startswith(keypoints)
            assert config.data.joints == int(joints)
            if variant == ["refined"]:
                assert config.train.lifter
            else:
                assert config.train == configuration.Train()
                gcn = variant[0] if variant else "ours"
                assert config.model == configuration.Model(
                    normalisation="width", gcn=gcn
                )


def test_the_table_of_configs_is_whole():
    text = (CONFIGS[0].parent / "README.md").read_text(encoding="utf-8")
    for path in EXPERIMENTS:
        (row,) = (
            line
            for line in text.splitlines()
            if line.startswith(f"| `{path.stem}` |")
        )
        figure = report.published_mpjpe_mm(module_of(path).get_config())
        if figure is not None:
            assert f"{figure} mm" in row


def test_from_json_repeats_a_run(tmp_path):
    config = module_of(EXPERIMENTS[0]).get_config()
    training.claim(tmp_path, config)
    from_json = next(path for path in CONFIGS if path.stem == "from_json")
    repeated = module_of(from_json).get_config(str(tmp_path / "config.json"))
    assert repeated == config
