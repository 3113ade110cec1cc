"""The files of `deploy/` for containers: what they name exists, and their commands are ones that the program knows."""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import REPOSITORY
from tradeexecutor.cli.command_table import COMMANDS
from tradeexecutor.cli.lazy_commands import LazyCommand

yaml = pytest.importorskip("yaml")

DEPLOY = REPOSITORY / "deploy"

#: What the entry point of the image starts, see deploy/start.sh.
ENTRYPOINT = ["start", "--config", "live.toml", "--keystore", "/run/secrets/keystore"]

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def list_compose_commands() -> Iterator[list[str]]:
    for service in COMPOSE["services"].values():
        if service["image"] == "tradeexecutor":
            words = [str(word) for word in service["command"]]
            yield words if "entrypoint" in service else [*ENTRYPOINT, *words]


def list_pods() -> list[dict[str, Any]]:
    return [item["spec"]["template"]["spec"] for item in KUBERNETES if item["kind"] == "Deployment"]


def list_kubernetes_commands() -> Iterator[list[str]]:
    for pod in list_pods():
        for container in pod["containers"]:
            assert container["command"] == ["tradeexecutor"]
            yield [str(word) for word in container["args"]]


def list_commands_in_comments() -> Iterator[list[str]]:
    """The command lines that the comments tell to run."""
    for name in ("compose.yaml", "kubernetes.yaml"):
        text = re.sub(r"\\\n#\s+", "", (DEPLOY / name).read_text())
        for line in re.findall(r"^#   (.*)$", text, re.MULTILINE):
            words = line.replace("'", "").split()
            if "start" in words:
                yield words[words.index("start") :]
            elif words[:4] == ["docker", "compose", "run", "--rm"]:
                yield [*ENTRYPOINT, *words[5:]]


LINES = [*list_compose_commands(), *list_kubernetes_commands(), *list_commands_in_comments()]


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_a_command_is_one_that_the_program_knows(words: list[str], tmp_path: Path):
    (entry,) = (entry for entry in COMMANDS if entry.name == words[0])
    (tmp_path / "live.toml").write_text('strategy = "a.py"\nstate_file = "postgresql://trader@database/trading#live"\n')
    with contextlib.chdir(tmp_path):
        context = LazyCommand(entry).load().make_context(words[0], words[1:])
    assert words[0] == "webapi" or context.params["state_file"]


def test_enough_command_lines_were_found():
    assert len(LINES) == 8


def test_the_services_of_compose_are_complete():
    services = COMPOSE["services"]
    assert set(services) == {"database", "trend", "live", "web"}
    for name, service in services.items():
        assert service["restart"], name
        for other in service.get("depends_on", {}):
            assert services[other]["healthcheck"]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")  # not to the world
        if name != "database":
            assert service["environment"]["PGPASSWORD"]
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert services["live"]["stop_grace_period"] == "20m"


def test_a_start_without_the_key_names_the_file_that_is_missing(tmp_path: Path):
    (tmp_path / "keystore").write_text("{}")
    command = ["sh", str(DEPLOY / "start.sh")]
    done = subprocess.run(command, env={"SECRETS": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"the file {tmp_path}/password is missing" in done.stderr


def test_the_build_of_compose_has_the_extras_that_its_commands_need():
    build = COMPOSE["services"]["web"]["build"]
    dockerfile = (DEPLOY / build["context"] / build["dockerfile"]).read_text()
    (extras,) = re.findall(r'"\.\[([a-z,]+)\]"', dockerfile)
    assert {"ethereum", "postgresql", "web"} <= set(extras.split(","))


def test_the_manifests_of_kubernetes_fit_together():
    by_kind = {kind: [item for item in KUBERNETES if item["kind"] == kind] for kind in ("Deployment", "Service")}
    assert sum(map(len, by_kind.values())) == len(KUBERNETES)
    labels = [item["spec"]["template"]["metadata"]["labels"] for item in by_kind["Deployment"]]
    for item, label in zip(by_kind["Deployment"], labels, strict=True):
        assert item["apiVersion"] == "apps/v1"
        assert item["spec"]["selector"]["matchLabels"] == label
    assert all(item["spec"]["selector"] in labels for item in by_kind["Service"])
    strategy = by_kind["Deployment"][0]["spec"]
    assert (strategy["replicas"], strategy["strategy"]["type"]) == (1, "Recreate")
    assert strategy["template"]["spec"]["terminationGracePeriodSeconds"] == 1_200
    for pod in list_pods():
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert container["securityContext"]["readOnlyRootFilesystem"]
            ports = {port["name"] for port in container.get("ports", [])}
            probes = [container[name] for name in ("readinessProbe", "livenessProbe") if name in container]
            assert all(probe["httpGet"]["port"] in ports for probe in probes)


def test_secrets_that_are_read_are_those_that_are_made():
    (made,) = re.findall(r"kubectl create secret generic (\S+) (.*)", (DEPLOY / "kubernetes.yaml").read_text())
    keys = set(re.findall(r"--from-literal=([a-z-]+)=", made[1]))
    used = {
        (item["valueFrom"]["secretKeyRef"]["name"], item["valueFrom"]["secretKeyRef"]["key"])
        for pod in list_pods()
        for container in pod["containers"]
        for item in container["env"]
    }
    assert used == {(made[0], key) for key in keys}
