#!/usr/bin/env bash
# instructions.sh BINARY: counts the instructions of `init`, and fails if they are more than they were.
# UPDATE=1 takes today's figures over into tests/bench/instructions.toml. Nothing else need be quiet on the machine.
. "$(dirname "$0")/common.sh"
need valgrind=valgrind python3=python3
PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/instructions.py "$1" "${UPDATE:-}"
