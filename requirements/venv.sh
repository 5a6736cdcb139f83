#!/bin/sh
# Makes .venv hold exactly one lock: `requirements/venv.sh cpu|gpu|dev`. Does nothing when it already does.
set -eu
cd "$(dirname "$0")/.."
want=${1:-cpu}
venv=.venv
stamp=$venv/.synced

fail() {
    printf '\n%s\n' "$@" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
        if is_new_enough "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

as_root_install() {
    echo "installing $*"
    # Quiet, and told to start nothing.
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 || {
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    }
}

# pip as Debian keeps it for its own use, unpacked from the package: for those without root and without ensurepip.
pip_from_package() {
    apt=$PWD/$venv/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    set -- -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt" -o Debug::NoLocking=1 \
        -o APT::Sandbox::User=
    (cd "$apt" && apt-get -qq "$@" update && apt-get -qq "$@" download python3-pip-whl &&
        dpkg -x python3-pip-whl_*.deb root) >/dev/null 2>&1 || return 1
    for wheel in "$apt"/root/usr/share/python-wheels/pip-*.whl; do
        "$venv/bin/python" "$wheel/pip" install -q --disable-pip-version-check --target "$venv/uv" uv || return 1
    done
    rm -rf "$apt"
}

make_venv() {
    if python=$(find_python); then
        "$python" -m venv --without-pip --clear $venv && return
    elif command -v uv >/dev/null && uv --version >/dev/null 2>&1; then
        uv venv -q --clear --python '>=3.11,<3.14' $venv && return
    fi
    if [ -z "${python:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        as_root_install python3 python3-venv
        python=$(find_python) && "$python" -m venv --without-pip --clear $venv && return
    fi
    fail "No Python between 3.11 and 3.13 was found (looked for PYTHON, python3, python3.13, python3.12, python3.11)." \
        "Remedy: install one (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv) or uv, or set PYTHON=/path/to/python3."
}

# uv lives beside site-packages, because it removes from there whatever the lock does not name.
bring_uv() {
    [ -x $venv/uv/bin/uv ] && return
    if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then
        mkdir -p $venv/uv/bin
        printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v uv)" >$venv/uv/bin/uv
        chmod +x $venv/uv/bin/uv
        return
    fi
    base=$($venv/bin/python -c 'import sys; print(sys._base_executable)')
    pip_installs_uv "$base" && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        as_root_install python3-pip python3-venv
        pip_installs_uv "$base" && return
    elif command -v apt-get >/dev/null; then
        pip_from_package && return
    fi
    fail "uv, which installs the lock, could not be brought: this Python has no pip." \
        "Remedy: install python3-venv and python3-pip (as root: apt-get install python3-venv python3-pip), or uv."
}

pip_installs_uv() {
    "$1" -m pip --version >/dev/null 2>&1 &&
        "$1" -m pip install -q --disable-pip-version-check --target $venv/uv uv 2>/dev/null && return
    "$1" -m ensurepip --version >/dev/null 2>&1 && $venv/bin/python -m ensurepip -q >/dev/null &&
        $venv/bin/python -m pip install -q --disable-pip-version-check --target $venv/uv uv
}

# uv brings its own list of authorities; a network that vouches for itself is known to the system's list only.
run_uv() {
    $venv/uv/bin/uv "$@" && return
    echo "trying again with the system's list of authorities" >&2
    UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 $venv/uv/bin/uv "$@" ||
        fail "uv could not install the lock; its reasons are above." "Remedy: see that a package index can be reached, then try again."
}

lock_of() {
    echo "requirements/locks/$version-$1.txt"
}

fingerprint() {
    cat "$(lock_of "$1")" pyproject.toml | cksum
}

# What is installed may hold more than what is wanted: the development lock holds the plain one.
is_synced() {
    [ -f $stamp ] || return 1
    for kind in $1; do
        [ "$(cat $stamp)" = "$kind $(fingerprint "$kind")" ] && return
    done
    return 1
}

is_new_enough $venv/bin/python || make_venv
version=$($venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ -f "$(lock_of "$want")" ] || fail "There is no $(lock_of "$want")." "Remedy: use Python 3.11, 3.12 or 3.13, and cpu, gpu or dev."
case $want in
    cpu) enough="cpu dev gpu" ;;
    *) enough=$want ;;
esac
is_synced "$enough" && exit 0
bring_uv
echo "installing $(lock_of "$want") into $venv"
unset PYTHONDONTWRITEBYTECODE
export VIRTUAL_ENV="$PWD/$venv"
run_uv pip sync -q --compile-bytecode "$(lock_of "$want")"
# Our own entry points are what makes the built-in plugins found.
run_uv pip install -q --no-deps --editable .
echo "$want $(fingerprint "$want")" >$stamp
