#!/usr/bin/env bash
# Sees to it that cargo can build here.
. "$(dirname "$0")/common.sh"
need_cargo
