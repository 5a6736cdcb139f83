#!/bin/sh
# Resolves requirements/*.in for every supported Python into requirements/locks/, and pins the direct ones in *.txt.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/uv/bin/uv
[ -x $uv ] || uv=uv
mkdir -p requirements/locks
for version in 3.11 3.12 3.13; do
    for kind in cpu gpu dev; do
        echo "locking $version-$kind"
        $uv pip compile -q --no-header ${UPGRADE:+--upgrade} --python-version $version \
            -o requirements/locks/$version-$kind.txt requirements/$kind.in
    done
done
.venv/bin/python requirements/pin.py
