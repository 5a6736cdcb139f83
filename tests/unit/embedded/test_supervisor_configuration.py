"""What supervisord is told: no secret in an argument, no port on the network, everything stopped with its children."""

import configparser
import os
from pathlib import Path

import pytest
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import ServerOptions

from tradebot.embedded.layout import Layout
from tradebot.embedded.programs import Program, our_programs
from tradebot.embedded.rabbitmq import RabbitMQ
from tradebot.embedded.server import Server
from tradebot.embedded.supervise import configuration
from tradebot.embedded.valkey import Valkey
from workers.topology import WORKERS, WorkerGroup

SECRETS = {"PAPER_EXCHANGE_TOKEN": "token-of-the-paper-exchange", "FLOWER_PASSWORD": "password-of-flower"}


def programs(var: Path) -> list[Program]:
    workers = {"models": WorkerGroup(("features", "analyze"), concurrency=3)}
    return our_programs(web=8000, flower=5555, paper=9000, var=var, secrets=SECRETS, workers=workers)


def servers(var: Path) -> list[Server]:
    return [
        RabbitMQ(var / "rabbitmq", 1, 2, 3, "password-of-rabbitmq", Path("/opt/rabbitmq-server")),
        Valkey(var / "valkey", 4, "password-of-valkey"),
    ]


def parsed(var: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(configuration(Layout(var), servers(var), programs(var)))
    return parser


def test_no_secret_is_an_argument(tmp_path: Path) -> None:
    config = parsed(tmp_path)
    commands = [config[name]["command"] for name in config.sections() if name.startswith("program:")]
    assert len(commands) == 7
    for secret in (*SECRETS.values(), "password-of-rabbitmq", "password-of-valkey"):
        assert not any(secret in command for command in commands)


def test_secrets_travel_in_the_environment(tmp_path: Path) -> None:
    config = parsed(tmp_path)
    flower = dict_of_key_value_pairs(config["program:flower"]["environment"])
    paper = dict_of_key_value_pairs(config["program:paper_exchange"]["environment"])
    assert flower == {"FLOWER_BASIC_AUTH": "admin:password-of-flower"}
    assert paper == {"PAPER_EXCHANGE_TOKEN": "token-of-the-paper-exchange"}


def test_the_supervisor_listens_on_a_private_socket_only(tmp_path: Path) -> None:
    config = parsed(tmp_path)
    assert config["unix_http_server"]["chmod"] == "0600"
    assert "inet_http_server" not in config.sections()


def test_servers_start_by_themselves_and_programs_when_told(tmp_path: Path) -> None:
    config = parsed(tmp_path)
    started = {name for name in config.sections() if config[name].get("autostart") == "true"}
    assert started == {"program:rabbitmq", "program:valkey"}


def test_programs_stop_before_servers(tmp_path: Path) -> None:
    config = parsed(tmp_path)
    assert int(config["group:programs"]["priority"]) > int(config["group:servers"]["priority"])


def test_a_worker_is_signalled_alone_and_killed_with_its_children(tmp_path: Path) -> None:
    worker = parsed(tmp_path)["program:worker-models"]
    assert (worker["stopasgroup"], worker["killasgroup"]) == ("false", "true")
    assert "-Q features,analyze -c 3 -P prefork" in worker["command"]


def test_supervisord_itself_accepts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path / "100%" / "var")
    layout.create()
    layout.config.write_text(configuration(layout, servers(layout.var), programs(layout.var)))
    monkeypatch.chdir(tmp_path)
    options = ServerOptions()
    options.realize(["-c", str(layout.config)])
    commands = {
        process.name: process.command for group in options.process_group_configs for process in group.process_configs
    }
    assert commands["worker-models"].count("models@%h") == 1
    assert "100%/var" in commands["valkey"]


def test_every_queue_has_a_worker() -> None:
    taken = {queue for group in WORKERS.values() for queue in group.queues}
    started = {program.name: program.command for program in programs(Path("/nowhere"))}
    assert {"web", "streams", "flower", "paper_exchange"} <= started.keys()
    assert started["streams"][-4:] == ("--with", "relay", "beat", "config")
    assert taken >= {"clean", "ocr", "features", "analyze", "dispatch", "execute"}


def test_a_deep_folder_gets_a_short_socket(tmp_path: Path) -> None:
    deep = Layout(tmp_path / ("deep/" * 30))
    assert len(str(deep.socket)) < 90
    assert str(os.getuid()) in str(deep.socket)
    assert Layout(Path("/srv/var")).socket == Path("/srv/var/supervisor/sock")
