#!/bin/sh
# Runs the scaled-out system on one machine, as plain processes: Redis (with its append-only file), two collectors (the
# first simulates a floor), three gateways behind nginx. Running processes are left alone, so starting twice does no harm
# and restarts the processes that were killed.
#
#   deploy/scaled.sh start | stop | status
#
# SCALED_DIR     folder of data, logs and process ids; default ./ringside-scaled
# SCALED_PORT    port of nginx; default 8080. The gateways use the next three, the collectors +11 and +12, Redis +21
# SCALED_BINARY  the binary; default target/release/ringside, built if it is missing
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
dir=${SCALED_DIR:-$root/ringside-scaled}
port=${SCALED_PORT:-8080}
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
binary=${SCALED_BINARY:-$root/target/release/ringside}
# In start order; stopped in reverse.
roles="redis collector1 collector2 gateway1 gateway2 gateway3 nginx"

fail() {
    echo "scaled: $*" >&2
    exit 1
}

port_of() {
    case $1 in
        nginx) echo "$port" ;;
        gateway*) echo $((port + ${1#gateway})) ;;
        collector*) echo $((port + 10 + ${1#collector})) ;;
        redis) echo $((port + 21)) ;;
    esac
}

# Prints the process id of a role, if it runs. Ignores an id that another program has by now.
pid_of() {
    pid=$(cat "$dir/$1.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    grep -aqF -e "$dir" -e "127.0.0.1:$(port_of redis)" "/proc/$pid/cmdline" 2>/dev/null || return 1
    echo "$pid"
}

is_free() {
    listening=$(printf ':%04X' "$1")
    ! awk -v end="$listening" '$4 == "0A" && substr($2, length($2) - 4) == end { found = 1 } END { exit !found }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

is_ready() {
    case $1 in
        redis) redis-cli -p "$(port_of redis)" ping ;;
        nginx) curl -fsS -m 2 "http://127.0.0.1:$port/healthz" ;;
        *) curl -fsS -m 2 "http://127.0.0.1:$(port_of "$1")/readyz" ;;
    esac >/dev/null 2>&1
}

# Waits at most N seconds for a command to succeed: within N COMMAND…
within() {
    left=$(($1 * 10))
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.1
    done
}

# A zombie has no arguments any more.
is_gone() { ! grep -aq . "/proc/$1/cmdline" 2>/dev/null; }

# Starts a role in the background, away from this terminal.
launch() {
    role=$1
    shift
    setsid "$@" >>"$dir/$role.log" 2>&1 </dev/null &
    echo $! >"$dir/$role.pid"
}

ringside() {
    role=$1
    shift
    # Each role has a folder of its own: a collector spools there while Redis is unreachable.
    launch "$role" env RINGSIDE_TRUSTED_PROXIES='["127.0.0.1"]' \
        RINGSIDE_ADMIN_PASSWORD_FILE="$dir/admin-password" RINGSIDE_INGEST_KEY_FILE="$dir/ingest-key" \
        "$binary" "$@" --redis "redis://127.0.0.1:$(port_of redis)/" --listen "127.0.0.1:$(port_of "$role")" \
        --data "$dir/$role"
}

nginx_conf() {
    mkdir -p "$dir/nginx"
    # The deployed file, with this machine's ports and with temporary folders that need no root.
    sed -e "s/127\.0\.0\.1:8081/127.0.0.1:$(port_of gateway1)/" -e "s/127\.0\.0\.1:8082/127.0.0.1:$(port_of gateway2)/" \
        -e "s/127\.0\.0\.1:8083/127.0.0.1:$(port_of gateway3)/" -e "s/127\.0\.0\.1:8091/127.0.0.1:$(port_of collector1)/" \
        -e "s/127\.0\.0\.1:8092/127.0.0.1:$(port_of collector2)/" -e "s/listen 8080;/listen 127.0.0.1:$port;/" \
        -e "s|^http {|http { client_body_temp_path $dir/nginx/body; proxy_temp_path $dir/nginx/proxy;|" \
        -e "s|^http {|http { fastcgi_temp_path $dir/nginx/f; uwsgi_temp_path $dir/nginx/u; scgi_temp_path $dir/nginx/s;|" \
        "$root/deploy/nginx.conf" >"$dir/nginx/nginx.conf"
}

start_one() {
    case $1 in
        redis)
            mkdir -p "$dir/redis"
            launch redis redis-server --bind 127.0.0.1 --port "$(port_of redis)" --dir "$dir/redis" --appendonly yes --save ""
            ;;
        collector1) ringside collector1 collector --simulate ;;
        collector2) ringside collector2 collector ;;
        gateway*) ringside "$1" gateway ;;
        nginx)
            nginx_conf
            # Workers of a root nginx run as another user, without access to this folder.
            as=""
            [ "$(id -u)" -ne 0 ] || as="user root;"
            launch nginx nginx -p "$dir/nginx/" -c "$dir/nginx/nginx.conf" -e stderr \
                -g "daemon off; pid $dir/nginx/nginx.pid; $as"
            ;;
    esac
}

start() {
    for program in redis-server redis-cli nginx curl setsid; do
        command -v "$program" >/dev/null ||
            fail "$program is missing; on Debian: apt-get install redis-server nginx curl util-linux"
    done
    for role in $roles; do
        pid_of "$role" >/dev/null || is_free "$(port_of "$role")" ||
            fail "port $(port_of "$role") (for $role) is taken; choose other ports, such as SCALED_PORT=9080"
    done
    if [ ! -x "$binary" ]; then
        [ -z "${SCALED_BINARY:-}" ] || fail "$binary is not an executable file"
        echo "scaled: building $binary"
        (cd "$root" && cargo build --release)
    fi
    mkdir -p "$dir"
    for secret in admin-password ingest-key; do
        [ -s "$dir/$secret" ] || (umask 077 && head -c 32 /dev/urandom | base64 | tr -dc 'a-zA-Z0-9' >"$dir/$secret")
    done
    for role in $roles; do
        pid_of "$role" >/dev/null || start_one "$role"
        # Gateways may create the first account concurrently, but all roles need Redis first.
        [ "$role" != redis ] || within 20 is_ready redis || fail "Redis does not answer; see $dir/redis.log"
    done
    for role in $roles; do
        within 60 is_ready "$role" || fail "$role is not ready after 60 s; see $dir/$role.log"
    done
    status
    cat <<END

The dashboard      http://127.0.0.1:$port/   (admin, password in $dir/admin-password)
Events             http://127.0.0.1:$port/ingest/events   (API key in $dir/ingest-key)
Kill a gateway     kill -9 \$(cat $dir/gateway1.pid)   and watch the page continue; start restarts it
Drain one          kill \$(cat $dir/gateway2.pid)
Kill an owner      kill -9 \$(cat $dir/collector2.pid)   and the other one takes over
Logs               $dir/*.log
END
}

stop() {
    backwards=""
    for role in $roles; do backwards="$role $backwards"; done
    for role in $backwards; do
        pid=$(pid_of "$role") || continue
        kill "$pid" 2>/dev/null || continue
        # A gateway drains, a collector writes its checkpoint, Redis its file.
        if ! within 25 is_gone "$pid"; then
            echo "scaled: $role did not stop in 25 s and is killed" >&2
            kill -9 "$pid" 2>/dev/null || true
        fi
        rm -f "$dir/$role.pid"
    done
    echo "scaled: stopped; the data stays in $dir"
}

status() {
    for role in $roles; do
        if pid=$(pid_of "$role"); then
            is_ready "$role" && word=ready || word="not ready"
            printf '%-11s %-9s pid %-8s port %s\n' "$role" "$word" "$pid" "$(port_of "$role")"
        else
            printf '%-11s %s\n' "$role" "not running"
        fi
    done
}

PATH=$PATH:/usr/sbin:/sbin
case ${1:-} in
    start | stop | status) "$1" ;;
    *) fail "usage: deploy/scaled.sh start | stop | status" ;;
esac
