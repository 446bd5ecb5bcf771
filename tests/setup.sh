#!/bin/sh
# Installs what the tests need and is not there yet. Debian's packages only; does nothing where all is there.
set -eu

want=""
command -v chromium >/dev/null 2>&1 || want="$want chromium"
command -v node >/dev/null 2>&1 || want="$want nodejs"
command -v npm >/dev/null 2>&1 || want="$want npm"
command -v cc >/dev/null 2>&1 || want="$want gcc libc6-dev"
[ -n "$want" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: please install:$want (this script knows Debian's packages only)" >&2
    exit 1
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
echo "setup: installing$want"
$sudo apt-get update -qq
# Unquoted on purpose: one word for each package.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $want >/dev/null
