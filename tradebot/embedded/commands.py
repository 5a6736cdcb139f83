"""The commands of `python -m tradebot.embedded`: each returns the exit code."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tradebot.embedded import debian, ownership, postgres, runfile
from tradebot.embedded.console import Display
from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import CHECKOUT, Layout
from tradebot.embedded.stack import Choice, Stack, locked, stop
from tradebot.embedded.supervise import Supervisor

_SERVER_SETTINGS = ("BROKER_URL", "DATABASE_URL", "REDIS_URL")
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_NAMED = ("SECRET_KEY", "CREDENTIAL_KEYS", "FLOWER_PASSWORD", "ADMIN_PASSWORD", "PAPER_EXCHANGE_TOKEN")


def up(display: Display) -> int:
    """Starts the stack, returns when all of it is ready. A second time it only says where it is."""
    layout = Layout.default()
    with locked(layout):
        if _is_running(layout):
            display.say("the stack is already running (`make down` stops it)")
        else:
            with _stopped_on_failure(Stack(layout, choice("rabbitmq"), display), display) as stack:
                _bring_up(stack)
    _show_addresses(layout, display)
    return 0


def down(display: Display) -> int:
    """Stops everything that belongs to this var/, by force if it must be."""
    layout = Layout.default()
    if not layout.var.is_dir():
        display.say("nothing is running")
        return 0
    with locked(layout), display.step("everything is stopped"), _undisturbed():
        count = stop(layout)
    display.say(f"{count} processes ended" if count else "nothing was running")
    return 0


def status(display: Display) -> int:
    """Shows every program and where to look; 3 when nothing runs. StackError when the supervisor alone is gone."""
    layout = Layout.default()
    if not layout.control.is_dir() or not Supervisor(layout).is_running():
        _require_no_leftovers(layout)
        display.say("not running; `make up` or `make demo` starts it")
        return 3
    display.states(Supervisor(layout).states())
    _show_addresses(layout, display)
    return 0


def demo(display: Display) -> int:
    """Plays sample posts through a stack that lives as long as this command."""
    layout = Layout.default()
    with locked(layout):
        if _is_running(layout):
            raise StackError("a stack is already running on this var/", remedy="`make down`, then `make demo` again")
        with _stopped_at_end(Stack(layout, choice("embedded", tied=True), display), display) as stack:
            _bring_up(stack)
            code = _run([sys.executable, "manage.py", "demo", "--no-addresses"], stack.environment())
            stack.require_supervisor()
            if os.environ.get("EXIT") not in {None, "", "0"}:
                return code
            _show_addresses(layout, display)
            display.say("Ctrl-C stops everything")
            stack.wait_end()
    return code


def _require_no_leftovers(layout: Layout) -> None:
    left = ownership.owned(layout.var, postgres.home_of(layout.var))
    if left:
        raise StackError(
            f"the supervisor is gone, but {len(left)} of its processes go on without it",
            remedy="`make down` ends them; `make up` or `make demo` ends them and starts anew",
        )


def execute(display: Display, command: list[str], *, durable: bool = True, programs: bool = False) -> int:
    """Runs a command beside throw-away servers and returns its code; `programs` adds the whole stack."""
    with _throw_away() as layout:
        chosen = choice("rabbitmq", tied=True, durable=durable, programs=programs)
        with _stopped_at_end(Stack(layout, chosen, display), display) as stack:
            if programs:
                _bring_up(stack)
            else:
                stack.start_servers()
                stack.wait_servers()
            return _run(command, stack.environment() | _everything_named(stack))


def test(display: Display, arguments: list[str]) -> int:
    """Runs pytest against a real RabbitMQ, PostgreSQL with pgvector, Valkey and Tesseract."""
    with display.step("RabbitMQ, Tesseract, etcd, Chromium are installed"):
        debian.ensure((debian.RABBITMQ, debian.TESSERACT, debian.ETCD), display.say)
        _try_chromium(display)
    command = [sys.executable, "-m", "pytest", *(arguments or _side_by_side())]
    return execute(display, command, durable=False)


def _side_by_side() -> list[str]:
    """All tests on all processors: they wait for servers more than they reckon, so two are the least."""
    # Named here and not among pytest's options: a process of pytest-xdist reads those after Django's settings.
    os.environ["PYTEST_PLUGINS"] = "tests.side_by_side"
    return ["-n", str(max(2, min(4, len(os.sched_getaffinity(0))))), "--dist", "loadfile", "--no-loadscope-reorder"]


def bench(display: Display, parts: list[str]) -> int:
    """Measures against servers that keep what they are told, as real ones do."""
    return execute(display, [sys.executable, "-m", "tests.bench", *parts])


# --- pieces ----------------------------------------------------------------------------------------------------------


def choice(default_broker: str, *, tied: bool = False, durable: bool = True, programs: bool = True) -> Choice:
    """What the environment asks for. StackError names a variable that can't be meant so."""
    broker = os.environ.get("BROKER") or default_broker
    if broker not in {"rabbitmq", "embedded"}:
        raise StackError(f"BROKER={broker} is unknown", remedy="BROKER=rabbitmq, BROKER=embedded, or set BROKER_URL")
    return Choice(broker, _external(), durable, tied, programs, _web_port())


def _external() -> dict[str, str]:
    found = {}
    for name in _SERVER_SETTINGS:
        if value := os.environ.get(name):
            found[name] = value
        elif path := os.environ.get(f"{name}_FILE"):
            try:
                found[name] = Path(path).read_text().strip()
            except OSError as error:
                raise StackError(f"{name}_FILE={path} can't be read: {error.strerror}") from error
    return found


def _web_port() -> int | None:
    text = os.environ.get("PORT")
    if not text:
        return None
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise StackError(f"PORT={text} is no port number", remedy="PORT=8000, or leave it out")
    return int(text)


def _is_running(layout: Layout) -> bool:
    """Whether a stack runs; what a killed supervisor left behind is ended first."""
    if Supervisor(layout).is_running():
        return True
    if ownership.owned(layout.var, postgres.home_of(layout.var)):
        stop(layout)
    return False


def _bring_up(stack: Stack) -> None:
    stack.start_servers()
    for name in ("valkey", "postgres"):
        stack.wait_server(name)
    stack.start_paper_exchange()
    # While RabbitMQ still boots.
    stack.manage("database is migrated", "migrate", "--noinput")
    stack.manage("administrator, venues, coins and schedules are there", "setup")
    stack.wait_server("rabbitmq")
    stack.start_programs()


@contextmanager
def _stopped_on_failure(stack: Stack, display: Display) -> Iterator[Stack]:
    with _signals_as_exit():
        try:
            yield stack
        except BaseException:
            _stop(stack, display)
            raise


@contextmanager
def _stopped_at_end(stack: Stack, display: Display) -> Iterator[Stack]:
    with _signals_as_exit():
        try:
            yield stack
        finally:
            _stop(stack, display)


def _stop(stack: Stack, display: Display) -> None:
    with _undisturbed(), display.step("everything is stopped"):
        stack.stop()


@contextmanager
def _signals_as_exit() -> Iterator[None]:
    """TERM and HUP (a closed terminal) end the command as Ctrl-C does: by way of its clean-up."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    with _handling(dict.fromkeys(_STOP_SIGNALS, leave)):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """An impatient second Ctrl-C must not leave half of the processes behind."""
    with _handling(dict.fromkeys((signal.SIGINT, *_STOP_SIGNALS), signal.SIG_IGN)):
        yield


@contextmanager
def _handling(handlers: dict[signal.Signals, signal.Handlers | Callable[[int, object], None]]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Runs a command on this terminal. Ctrl-C reaches it as well; its own way of ending is awaited."""
    process = subprocess.Popen(  # noqa: S603
        command,
        cwd=CHECKOUT,
        env=environment,
        preexec_fn=ownership.die_with(os.getpid()),  # noqa: PLW1509
    )
    try:
        return process.wait()
    except BaseException:
        with _undisturbed():
            _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _throw_away() -> Iterator[Layout]:
    """A var/ of its own in the temporary folder, removed at the end with its database."""
    var = Path(tempfile.mkdtemp(prefix="tradebot-")).resolve()
    try:
        yield Layout(var)
    finally:
        shutil.rmtree(postgres.home_of(var), ignore_errors=True)
        shutil.rmtree(var, ignore_errors=True)


def _everything_named(stack: Stack) -> dict[str, str]:
    named = {name: stack.secrets[name] for name in _NAMED}
    tools = {name: debian.which(command) for name, command in _TOOLS.items()}
    return named | {name: str(path) for name, path in tools.items() if path}


_TOOLS = {"TESSERACT": "tesseract", "CHROMIUM": "chromium", "CHROMEDRIVER": "chromedriver"}


def _try_chromium(display: Display) -> None:
    try:
        debian.ensure((debian.CHROMIUM,), display.say)
    except StackError as error:
        # Ubuntu has it only as a snap, which no ordinary user can unpack.
        display.say(f"without Chromium: {error}")


def _show_addresses(layout: Layout, display: Display) -> None:
    if addresses := runfile.read(layout.run_file):
        display.addresses(addresses, layout.secrets)
