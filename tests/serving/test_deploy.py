"""The image and the manifest agree with the package."""

import json
import re
import shlex

import pytest
from absl import flags

from ampose_tf.serving import __main__ as command
from tests.serving.conftest import ROOT

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
kserve = pytest.importorskip("kserve", reason="kserve is not installed")

MANIFEST = yaml.safe_load((ROOT / "deploy/kserve.yaml").read_text())
PREDICTOR = MANIFEST["spec"]["predictor"]
(CONTAINER,) = PREDICTOR["containers"]
INSTRUCTIONS = [
    line.split(" ", 1)
    for line in (ROOT / "deploy/Dockerfile").read_text().splitlines()
    if line and not line.startswith("#")
]


def options(arguments):
    parsed = flags.FlagValues()
    command.define_flags(parsed)
    assert parsed(["serving", *arguments]) == ["serving"]
    return parsed


def arguments(kind):
    (found,) = [
        json.loads(rest) for name, rest in INSTRUCTIONS if name == kind
    ]
    return found


def test_the_manifest_has_fields_of_kserve():
    from kubernetes import client

    assert MANIFEST["kind"] == "InferenceService"
    known = set(kserve.V1beta1PredictorSpec.attribute_map.values())
    assert set(PREDICTOR) <= known
    assert set(CONTAINER) <= set(client.V1Container.attribute_map.values())
    probe = set(client.V1Probe.attribute_map.values())
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert set(CONTAINER[name]) <= probe
    context = client.V1SecurityContext.attribute_map.values()
    assert set(CONTAINER["securityContext"]) <= set(context)


def test_the_manifests_flags_and_ports_are_the_servers():
    executable, *of_image = arguments("ENTRYPOINT")
    assert executable == "python"
    assert of_image[:2] == ["-m", "ampose_tf.serving"]
    assert options(arguments("CMD")).model == "ampose_s"
    given = options([*of_image[2:], *CONTAINER["args"]])
    ports = [port["containerPort"] for port in CONTAINER["ports"]]
    assert ports == [given.port, given.grpc_port]
    assert ["EXPOSE", " ".join(map(str, ports))] in INSTRUCTIONS
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert CONTAINER[name]["httpGet"]["port"] == given.port
    cores = float(CONTAINER["resources"]["limits"]["cpu"])
    assert given.threads == cores
    ends = given.drain_seconds + given.grace_seconds
    assert PREDICTOR["terminationGracePeriodSeconds"] > ends


@pytest.mark.parametrize("path", ["/v2/health/ready", "/v2/health/live"])
def test_the_probes_are_answered(served, path):
    paths = {
        CONTAINER[name]["httpGet"]["path"]
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert path in paths
    assert served.ask(path)[0] == 200


def test_the_image_copies_files_of_the_repository():
    copied = [rest.split() for name, rest in INSTRUCTIONS if name == "COPY"]
    sources = {source for *some, _ in copied for source in some}
    assert sources >= {"setup.cfg", "pyproject.toml", "ampose_tf"}
    for source in sources:
        assert (ROOT / source).exists(), source
    runs = [shlex.split(rest) for name, rest in INSTRUCTIONS if name == "RUN"]
    first, second = runs
    for given in ("--constraint", "--requirement"):
        assert first[first.index(given) + 1] in sources
    assert second[-2:] == ["--no-deps", "."]
    # The same as the extra.
    text = (ROOT / "setup.cfg").read_text().replace(" ", "")
    assert re.search(rf"^{re.escape(first[-1])}$", text, re.MULTILINE)
