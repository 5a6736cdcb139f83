"""The container files against the program: every queue has a worker, nothing is open, every secret is made."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers import config, nodes, stage, topology
from workers.crawl import session

ROOT = Path(__file__).resolve().parents[3]
DOCKER = ROOT / "docker"
OURS = {"tradebot:cpu", "tradebot:browser", "tradebot:gpu"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def queues_of(service: dict[str, Any]) -> set[str]:
    command = service.get("command", [])
    return set(command[command.index("--queues") + 1].split(",")) if "--queues" in command else set()


def test_every_queue_has_a_worker_without_the_gpu_profile(services: dict[str, dict[str, Any]]) -> None:
    taken = [queue for service in services.values() if "profiles" not in service for queue in queues_of(service)]
    assert sorted(taken) == sorted(topology.QUEUES)


def test_a_gpu_worker_takes_only_queues_of_models() -> None:
    command = (DOCKER / "Dockerfile").read_text(encoding="utf-8").rpartition("CMD ")[2]
    assert queues_of({"command": json.loads(command)}) == {"ocr", "features", "analyze"}


def test_workers_stop_later_than_their_longest_task(services: dict[str, dict[str, Any]]) -> None:
    longest = max(spec.hard_limit for spec in topology.STAGES.values())
    for name, service in services.items():
        if queues_of(service):
            assert int(service["stop_grace_period"].removesuffix("s")) > longest, name


def test_ports_are_published_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"web", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_every_container_is_confined(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name


def test_images_run_as_nobody_in_particular() -> None:
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert dockerfile.count("USER 10001:10001") == len(OURS)
    assert not re.search(r"(?i)(password|secret_key|token)\s*=", dockerfile)


def test_compose_stops_with_a_remedy_while_there_are_no_secrets(compose: dict[str, Any]) -> None:
    files = [secret["file"] for secret in compose["secrets"].values()]
    assert any("${TRADEBOT_SECRETS:?" in file and "make-secrets.sh" in file for file in files)


def test_every_secret_is_declared_made_and_read_from_a_file(
    compose: dict[str, Any], services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    script = tmp_path / "make-secrets.sh"
    script.write_bytes((DOCKER / "make-secrets.sh").read_bytes())
    subprocess.run(["sh", script, tmp_path / "secrets"], check=True, capture_output=True)
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    used = {
        one if isinstance(one, str) else one["source"]
        for service in services.values()
        for one in service.get("secrets", [])
    }
    assert used == set(compose["secrets"])
    assert used <= made


def test_the_crawler_configuration_is_copied_once_to_where_it_is_watched(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.mkdir()
    (docker / "make-secrets.sh").write_bytes((DOCKER / "make-secrets.sh").read_bytes())
    (tmp_path / "crawler.toml").write_text("first")
    for text in ("second", "third"):
        subprocess.run(["sh", docker / "make-secrets.sh"], check=True, capture_output=True)
        (tmp_path / "crawler.toml").write_text(text)
    copied = docker / "crawler" / "crawler.toml"
    assert copied.read_text() == "first"
    assert copied.stat().st_mode & 0o777 == 0o644
    assert copied.parent.stat().st_mode & 0o777 == 0o755


def test_secrets_are_made_once_and_only_for_their_owner(tmp_path: Path) -> None:
    script, folder = tmp_path / "make-secrets.sh", tmp_path / "secrets"
    script.write_bytes((DOCKER / "make-secrets.sh").read_bytes())
    subprocess.run(["sh", script, folder], check=True, capture_output=True)
    before = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run(["sh", script, folder], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o777 == 0o700
    values = [value for name, value in before.items() if name.endswith(("password", "key", "token"))]
    assert len(set(values)) == len(values)


def test_secrets_come_through_files_only(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            secret = re.search(r"PASSWORD|SECRET|TOKEN|KEYS|(DATABASE|BROKER|REDIS)_URL", variable)
            assert not secret or str(value).startswith("/run/secrets/"), f"{name}: {variable}"


def test_files_that_compose_mounts_are_there(services: dict[str, dict[str, Any]]) -> None:
    mounts = [
        volume for service in services.values() for volume in service.get("volumes", []) if volume.startswith(".")
    ]
    assert mounts
    for mount in mounts:
        assert (DOCKER / mount.split(":")[0]).exists(), mount


def test_the_configuration_is_watched_in_a_folder_and_crawl_workers_may_be_many(
    services: dict[str, dict[str, Any]],
) -> None:
    watching = services["streams"]
    assert watching["command"][-2:] == ["--with", "config"]
    folder = next(volume for volume in watching["volumes"] if volume.endswith(":/etc/tradebot:ro"))
    assert not folder.partition(":-")[2].partition("}")[0].endswith(".toml")
    assert "/etc/tradebot/crawler.toml" in watching["environment"]["CRAWLER_CONFIG"]
    assert "container_name" not in services["crawl"]


def test_the_dashboard_asks_only_for_numbers_that_exist() -> None:
    panels = json.loads((DOCKER / "grafana/dashboards/pipeline.json").read_text(encoding="utf-8"))["panels"]
    asked = {word for panel in panels for target in panel["targets"] for word in our_metrics(target["expr"])}
    assert asked <= exported()
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_alerts_ask_only_for_numbers_that_exist() -> None:
    groups = yaml.safe_load((DOCKER / "prometheus/alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    asked = {word for rule in rules for word in our_metrics(rule["expr"])}
    assert asked
    assert asked <= exported()


def our_metrics(expression: str) -> set[str]:
    return set(re.findall(r"tradebot_[a-z_]+", expression))


def exported() -> set[str]:
    """Names under which Prometheus knows what the workers count."""
    pipeline = (stage.SECONDS, stage.ITEMS, stage.DEAD, stage.LAG)
    metrics = (*pipeline, config.AGE, config.FAILURES, nodes.FAILURES, session.CRAWLS)
    names = {family.name for metric in metrics for family in metric.describe()}
    return {f"{name}{suffix}" for name in names for suffix in ("_total", "_bucket", "")}


def test_the_crawler_configuration_is_off_and_holds_no_secret() -> None:
    said = tomllib.loads((ROOT / "crawler.toml").read_text(encoding="utf-8"))
    assert {name: section["enabled"] for name, section in said.items()} == {
        "twitter": False,
        "telegram": False,
        "rss": False,
        "web": False,
    }
    for key in ("api_id", "api_hash"):
        assert said["telegram"][key].startswith("env:")
