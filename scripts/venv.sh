#!/bin/sh
# Makes a virtual environment and installs emgen in it, editable, with extras. Safe to repeat: what stands is kept.
#
#   scripts/venv.sh FOLDER EXTRAS        e.g. scripts/venv.sh .venv test
#
# PYTHON chooses the interpreter; unset, the first of python3, python3.13, python3.12, python3.11 that is new enough.
set -eu

venv=$1
extras=$2

is_suitable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

choose_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if is_suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "emgen needs Python 3.11 or newer; found: $(${PYTHON:-python3} --version 2>&1 || true)." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.11 …" >&2
    exit 2
}

make_venv() {
    python=$(choose_python)
    echo "Making $venv with $("$python" --version)"
    rm -rf "$venv"
    if ! "$python" -m venv "$venv"; then
        rm -rf "$venv"
        echo "$python cannot make virtual environments: install its venv module (Debian, Ubuntu: python3-venv)." >&2
        exit 2
    fi
}

cd "$(dirname "$0")/.."
is_suitable "$venv/bin/python" || make_venv
echo "Installing emgen[$extras] in $venv; the first time this takes minutes, PyTorch is several GB"
"$venv/bin/python" -m pip install --disable-pip-version-check --editable ".[$extras]"
