"""`python -m tradebot.embedded`: one command from a bare machine to a running stack."""

from __future__ import annotations

import argparse
import sys

from tradebot.embedded import commands
from tradebot.embedded.console import Display
from tradebot.embedded.errors import StackError

_EPILOG = """\
environment:
  PORT=8000              port of the web on 127.0.0.1 (default 8000, or the next free one)
  BROKER=rabbitmq        the broker to start: rabbitmq, or embedded (Valkey; default for demo)
  BROKER_URL=amqp://…    a broker of your own instead; likewise DATABASE_URL=postgres://… and
  REDIS_URL=redis://…    each also as NAME_FILE, the path of a file that holds the value
  VAR_DIR=var            where the stack keeps its data, secrets, logs and run.json
  TRADEBOT_CACHE=…       where packages are unpacked for those who are not root (~/.cache/tradebot)
  EXIT=1                 demo: stop at the end, exit 0 only if all expected orders are there

examples:
  python -m tradebot.embedded up                        the stack for real use
  PORT=9000 BROKER=embedded python -m tradebot.embedded up
  python -m tradebot.embedded test -k outbox            pytest against real servers
  python -m tradebot.embedded exec -- python manage.py shell
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; its exit code."""
    options = _parser().parse_args(arguments)
    display = Display()
    try:
        return _dispatch(options, display)
    except StackError as error:
        display.failure(error)
        return 1
    except KeyboardInterrupt:
        return 130


def _dispatch(options: argparse.Namespace, display: Display) -> int:
    match options.command:
        case "test":
            return commands.test(display, options.arguments)
        case "bench":
            return commands.bench(display, options.arguments)
        case "exec":
            return commands.execute(display, _without_dashes(options.arguments), programs=options.stack)
    plain = {"up": commands.up, "down": commands.down, "status": commands.status, "demo": commands.demo}
    return plain[options.command](display)


def _without_dashes(arguments: list[str]) -> list[str]:
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        raise StackError("exec needs a command", remedy="python -m tradebot.embedded exec -- CMD …")
    return command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tradebot.embedded",
        description="Starts and stops tradebot with its own PostgreSQL, Valkey and RabbitMQ, on loopback only.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    subparsers.add_parser("up", help="start everything, return when it is ready, print the addresses")
    subparsers.add_parser("down", help="stop everything, to the last process")
    subparsers.add_parser("status", help="what runs, and where to look")
    subparsers.add_parser("demo", help="start everything and play sample posts through it, until Ctrl-C")
    test = subparsers.add_parser("test", help="run pytest against servers started for it", prefix_chars="\0")
    test.add_argument("arguments", nargs="*", metavar="ARG", help="passed on to pytest")
    bench = subparsers.add_parser("bench", help="measure, and compare with bare Celery")
    bench.add_argument("arguments", nargs="*", metavar="PART", help="run only these parts")
    run = subparsers.add_parser("exec", help="run any command beside servers started for it")
    run.add_argument("--stack", action="store_true", help="start our programs too, not only the servers")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- CMD", help="the command")
    return parser


if __name__ == "__main__":
    sys.exit(main())
