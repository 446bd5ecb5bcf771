#!/bin/sh
# Installs what the tests need and is not there yet. Debian's packages only; does nothing where all is there.
set -eu

want=""
command -v chromium >/dev/null 2>&1 || want="$want chromium"
command -v node >/dev/null 2>&1 || want="$want nodejs"
command -v npm >/dev/null 2>&1 || want="$want npm"
command -v cc >/dev/null 2>&1 || want="$want gcc libc6-dev"
command -v c++ >/dev/null 2>&1 || want="$want g++"
# Debian has the balancers outside of everybody's path.
PATH=$PATH:/usr/sbin:/sbin
command -v redis-server >/dev/null 2>&1 || want="$want redis-server"
command -v redis-sentinel >/dev/null 2>&1 || want="$want redis-sentinel"
command -v nginx >/dev/null 2>&1 || want="$want nginx"
command -v haproxy >/dev/null 2>&1 || want="$want haproxy"
command -v openssl >/dev/null 2>&1 || want="$want openssl"
command -v curl >/dev/null 2>&1 || want="$want curl"
command -v setpriv >/dev/null 2>&1 || want="$want util-linux"
[ -n "$want" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: please install:$want (this script knows Debian's packages only)" >&2
    exit 1
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
echo "setup: installing$want"
# The tests start servers of their own. Debian would start the packages' as well, on the ports that everybody uses; a
# policy that says no (101) keeps them from it. One that is there already is the machine's own, and stays.
policy=/usr/sbin/policy-rc.d
made_policy=""
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod +x "$policy"
    made_policy=yes
fi
trap '[ -z "$made_policy" ] || $sudo rm -f "$policy"' EXIT
$sudo apt-get update -qq
# Unquoted on purpose: one word for each package.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $want >/dev/null
