"""Debian packages that no wheel brings: taken from PATH, else installed as root, else unpacked into a cached folder."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import private

_POLICY = Path("/usr/sbin/policy-rc.d")
_SYSTEM_BIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RABBIT_SCRIPT = "usr/lib/rabbitmq/bin/rabbitmq-server"
_WRAPPER = """#!/bin/sh
export LD_LIBRARY_PATH={libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}
{exports}exec {program} "$@"
"""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Bundle:
    """What to fetch together, and the commands that show it is there."""

    name: str
    packages: tuple[str, ...]
    commands: tuple[str, ...]
    instead: str


RABBITMQ = Bundle(
    "RabbitMQ", ("rabbitmq-server",), ("rabbitmq-server", "erl"), "set BROKER_URL to a broker, or BROKER=embedded"
)
TESSERACT = Bundle(
    "Tesseract",
    ("tesseract-ocr", "tesseract-ocr-eng", "tesseract-ocr-chi-sim"),
    ("tesseract",),
    "install tesseract with the languages eng and chi_sim",
)
CHROMIUM = Bundle(
    "Chromium", ("chromium", "chromium-driver"), ("chromium", "chromedriver"), "install chromium and chromedriver"
)
ETCD = Bundle("etcd", ("etcd-server",), ("etcd",), "install etcd 3.4 or later")


def cache_folder() -> Path:
    """Where unpacked packages are kept between runs: TRADEBOT_CACHE, or ~/.cache/tradebot."""
    return Path(os.environ.get("TRADEBOT_CACHE") or Path.home() / ".cache" / "tradebot") / "debs"


def search_path() -> str:
    """PATH as the stack's programs need it: the caller's, the system's own folders, then the unpacked packages."""
    return os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_BIN, str(cache_folder() / "bin")])


def which(command: str) -> Path | None:
    """A command on the search path."""
    found = shutil.which(command, path=search_path())
    return Path(found) if found else None


def rabbitmq_script() -> Path:
    """The start script itself; the one Debian puts on PATH insists on the system's user and folders."""
    for root in (Path("/"), cache_folder() / "root"):
        if (root / _RABBIT_SCRIPT).is_file():
            return root / _RABBIT_SCRIPT
    found = which("rabbitmq-server")
    if found is None:
        raise StackError("rabbitmq-server is not installed", remedy=RABBITMQ.instead)
    return found


def is_present(bundle: Bundle) -> bool:
    """Whether its commands can be found, with Tesseract's languages."""
    if bundle is RABBITMQ:
        scripts = [root / _RABBIT_SCRIPT for root in (Path("/"), cache_folder() / "root")]
        found = any(script.is_file() for script in scripts) or which("rabbitmq-server") is not None
        return found and which("erl") is not None
    if any(which(command) is None for command in bundle.commands):
        return False
    return bundle is not TESSERACT or {"eng", "chi_sim"} <= tesseract_languages()


def tesseract_languages() -> set[str]:
    """What the Tesseract on the search path can read."""
    program = which("tesseract")
    if program is None:
        return set()
    done = subprocess.run([program, "--list-langs"], capture_output=True, text=True, check=False)  # noqa: S603
    return set(done.stdout.split())


def ensure(bundles: tuple[Bundle, ...], say: Say) -> None:
    """Brings what is missing: apt-get install as root, else unpacked packages. Starts no service."""
    missing = [bundle for bundle in bundles if not is_present(bundle)]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise StackError(f"{_names(missing)} missing, and there is no apt-get to bring it", remedy=_remedy(missing))
    packages = [package for bundle in missing for package in bundle.packages]
    say(f"fetching {_names(missing)} ({' '.join(packages)})")
    (_install if os.getuid() == 0 else _unpack)(packages)
    if still := [bundle for bundle in missing if not is_present(bundle)]:
        raise StackError(f"{_names(still)} still missing after apt-get", remedy=_remedy(still))


def _names(bundles: list[Bundle]) -> str:
    return ", ".join(bundle.name for bundle in bundles)


def _remedy(bundles: list[Bundle]) -> str:
    return "; ".join(bundle.instead for bundle in bundles)


# --- as root ---------------------------------------------------------------------------------------------------------


def _install(packages: list[str]) -> None:
    command = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *packages]
    with _no_services():
        if _apt(command, check=False).returncode:
            _apt(["apt-get", "update"])
            _apt(command)


@contextmanager
def _no_services() -> Iterator[None]:
    """Tells Debian's package scripts to start nothing (invoke-rc.d asks this file), unless the machine has a policy."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


# --- as anyone else --------------------------------------------------------------------------------------------------


def _unpack(packages: list[str]) -> None:
    cache = private(cache_folder())
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        options = _own_apt(cache)
        _apt(["apt-get", *options, "update"])
        _apt(["apt-get", *options, "--download-only", "-y", "--no-install-recommends", "install", *packages])
        archives = sorted((cache / "apt" / "cache" / "archives").glob("*.deb"))
        for archive in archives:
            _apt(["dpkg", "-x", str(archive), str(cache / "root")])
        for archive in archives:
            archive.unlink()
        make_runnable(cache)


def _own_apt(cache: Path) -> list[str]:
    apt = cache / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::State": apt / "state",
        "Dir::State::lists": apt / "state" / "lists",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": apt / "cache",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "",
    }
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]


def make_runnable(cache: Path) -> None:
    """Erlang learns where it lies now, and every program gets a starter that knows its libraries."""
    root, starters = cache / "root", cache / "bin"
    starters.mkdir(exist_ok=True)
    erlang = root / "usr" / "lib" / "erlang"
    for script in (*erlang.glob("bin/*"), *erlang.glob("erts-*/bin/*")):
        if script.name in {"erl", "start"} and not script.is_symlink():
            _relocate(script, erlang)
    tessdata = next(root.glob("usr/share/tesseract-ocr/*/tessdata"), None)
    programs = {
        **{name: erlang / "bin" / name for name in ("erl", "epmd", "escript")},
        "tesseract": root / "usr/bin/tesseract",
        "chromium": root / "usr/lib/chromium/chromium",
        "chromedriver": root / "usr/bin/chromedriver",
        "etcd": root / "usr/bin/etcd",
    }
    for name, program in programs.items():
        if program.exists():
            exports = f"export TESSDATA_PREFIX={tessdata}\n" if name == "tesseract" else ""
            _write_starter(starters / name, program, exports, root)


def _relocate(script: Path, erlang: Path) -> None:
    script.write_text(re.sub(r"\bROOTDIR=/\S*", f"ROOTDIR={erlang}", script.read_text()))


def _write_starter(starter: Path, program: Path, exports: str, root: Path) -> None:
    folders = [root / "usr" / "lib", root / "lib"]
    libraries = [str(path) for folder in folders for path in (*folder.glob("*-linux-gnu"), folder) if path.is_dir()]
    starter.write_text(_WRAPPER.format(libraries=":".join(libraries), exports=exports, program=program))
    starter.chmod(0o755)


def _apt(command: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(  # noqa: S603
        command,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": search_path(), "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise StackError(
            f"`{command[0]} … {command[-1]}` failed: {(done.stderr or done.stdout).strip()[-1500:]}",
            remedy="see that the machine reaches a Debian or Ubuntu mirror",
        )
    return done
