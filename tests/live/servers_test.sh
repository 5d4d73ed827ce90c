#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Invisible: servers under load answer every request, launched under trapline and attached to, whole executable and
# with --libs. All on the loopback, on ports of their own, bounded in time.
# timeout: 600
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# ---- redis ----

redis_up() {
    redis-cli -p "$port" ping
}
redis_load() {
    timeout 90 redis-benchmark -h 127.0.0.1 -p "$port" -n "$1" -c 20 -t set,get,incr,lpush,lrange_100 -q --csv \
        >"$scratch/load" 2>&1 || fail "redis-benchmark ended with $?: $(tail -n 3 "$scratch/load")"
    grep -qi error "$scratch/load" && fail "redis-benchmark: $(grep -i error "$scratch/load")"
    [ "$(grep -c '^"[A-Z]' "$scratch/load")" -ge 5 ] || fail "redis-benchmark did not do all: $(cat "$scratch/load")"
}
redis_options() {
    port=$(free_port)
    server=(redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$scratch" --daemonize no)
}
redis_launched() {
    needs redis-server redis-benchmark redis-cli
    local status
    redis_options
    rm -rf "$scratch/data"
    "$TRAPLINE" record -d "$scratch/data" "$@" "${server[@]}" >"$scratch/out" 2>"$scratch/traced.err" &
    tracer=$!
    remember "$tracer"
    until_true 20 redis_up || fail "redis-server does not come up: $(tail -n 3 "$scratch/traced.err")"
    redis_load 3000
    redis-cli -p "$port" set key value >/dev/null
    redis-cli -p "$port" debug reload 2>&1 | head -n 1
    redis-cli -p "$port" bgsave 2>&1
    [ "$(redis-cli -p "$port" get key)" = value ] || fail "the value is gone"
    redis-cli -p "$port" shutdown nosave >/dev/null 2>&1
    until_true 20 ended "$tracer" || fail "redis-server does not end"
    wait "$tracer"
    status=$?
    [ "$status" = 0 ] || fail "ended with $status: $(tail -n 3 "$scratch/traced.err")"
    summary_lines
}
redis_attached() {
    needs redis-server redis-benchmark redis-cli
    redis_options
    "${server[@]}" >"$scratch/out" 2>&1 &
    target=$!
    remember "$target"
    until_true 20 redis_up || fail "redis-server does not come up"
    redis_load 20000 &
    local load=$!
    attached 1s "$@"
    text_is_the_files "$target"
    attached 300ms "$@"
    text_is_the_files "$target"
    wait "$load" || fail "the load failed: $(tail -n 3 "$scratch/load")"
    redis-cli -p "$port" shutdown nosave >/dev/null 2>&1
    until_true 20 ended "$target" || fail "redis-server does not end"
    wait "$target" || fail "redis-server ended with $?"
}

# ---- nginx ----

nginx_up() {
    (exec 9<>"/dev/tcp/127.0.0.1/$port")
}
nginx_options() {
    port=$(free_port)
    mkdir -p "$scratch/nginx/temp" "$scratch/nginx/www"
    seq 1 500 >"$scratch/nginx/www/index.html"
    chmod 755 "$scratch" "$scratch/nginx" "$scratch/nginx/www"
    cat >"$scratch/nginx/nginx.conf" <<CONFIG
daemon off; master_process $1; worker_processes 2; pid $scratch/nginx/pid; error_log $scratch/nginx/error.log;
events { worker_connections 128; }
http { access_log $scratch/nginx/access.log; gzip on; client_body_temp_path $scratch/nginx/temp/a;
  proxy_temp_path $scratch/nginx/temp/b; fastcgi_temp_path $scratch/nginx/temp/c; uwsgi_temp_path $scratch/nginx/temp/d;
  scgi_temp_path $scratch/nginx/temp/e; server { listen 127.0.0.1:$port; root $scratch/nginx/www; } }
CONFIG
    server=(nginx -e "$scratch/nginx/error.log" -p "$scratch/nginx" -c "$scratch/nginx/nginx.conf")
}
nginx_load() {
    timeout 60 wrk -t1 -c8 -d"$1" "http://127.0.0.1:$port/" >"$scratch/load" 2>&1 || fail "wrk ended with $?"
    grep -qE 'Socket errors|Non-2xx' "$scratch/load" && fail "wrk: $(grep -E 'Socket errors|Non-2xx' "$scratch/load")"
    [ "$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' "$scratch/load")" -gt 50 ] || fail "wrk: $(cat "$scratch/load")"
    "$python" - "$port" <<'PYTHON' || fail "a page came back otherwise"
import sys, urllib.request
page = urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/", timeout=10).read()
sys.exit(page != "".join(f"{i}\n" for i in range(1, 501)).encode())
PYTHON
}
nginx_launched() {
    needs nginx wrk
    local status server_pid
    nginx_options "$1"
    shift
    rm -rf "$scratch/data"
    "$TRAPLINE" record -d "$scratch/data" "$@" "${server[@]}" >"$scratch/out" 2>"$scratch/traced.err" &
    tracer=$!
    remember "$tracer"
    until_true 20 nginx_up || fail "nginx does not come up: $(tail -n 3 "$scratch/traced.err")"
    server_pid=$(cat "$scratch/nginx/pid")
    remember "$server_pid"
    nginx_load 2s
    kill -QUIT "$server_pid"
    until_true 20 ended "$tracer" || fail "nginx does not end"
    wait "$tracer"
    status=$?
    [ "$status" = 0 ] || fail "ended with $status: $(tail -n 3 "$scratch/traced.err")"
    grep -E 'alert|emerg|exited on signal' "$scratch/nginx/error.log" && fail "nginx complains"
    summary_lines
}
# A worker is attached to while it serves.
nginx_attached() {
    needs nginx wrk
    local master load
    nginx_options on
    "${server[@]}" >"$scratch/out" 2>&1 &
    master=$!
    remember "$master"
    until_true 20 nginx_up || fail "nginx does not come up"
    target=$(pgrep -P "$master" | head -n 1)
    nginx_load 4s &
    load=$!
    attached 1s "$@"
    text_is_the_files "$target"
    attached 300ms "$@"
    text_is_the_files "$target"
    wait "$load" || fail "the load failed"
    kill -QUIT "$master"
    until_true 20 ended "$master" || fail "nginx does not end"
    grep -E 'alert|emerg|exited on signal' "$scratch/nginx/error.log" && fail "nginx complains"
    return 0
}

for how in whole libs; do
    options=()
    [ $how = whole ] || options=(--libs)
    claim "redis_server_serves_launched_$how" redis_launched "${options[@]}"
    claim "redis_server_serves_attached_$how" redis_attached "${options[@]}"
    claim "nginx_serves_launched_$how" nginx_launched off "${options[@]}"
    claim "nginx_with_workers_serves_launched_$how" nginx_launched on "${options[@]}"
    claim "nginx_serves_attached_$how" nginx_attached "${options[@]}"
done
finish
