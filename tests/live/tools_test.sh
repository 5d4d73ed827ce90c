#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Invisible: real programs as Debian ships them print the same and end the same, with and without trapline; their whole
# executable traced, and with --libs every function of every library, libc included.
# timeout: 900
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

: "${RUN_SECONDS:=120}"

prepare() {
    seq 1 60000 | awk '{ print $1, ($1 * 7919) % 65537, "line of text number", $1 }' >"$scratch/text"
    cat >"$scratch/work.py" <<'PYTHON'
import collections, hashlib, json, re, subprocess, sys, threading, zlib
def tree(n):
    return None if n == 0 else (tree(n - 1), tree(n - 1))
def depth(t):
    return 0 if t is None else 1 + max(map(depth, t))
def boom(n):
    if n == 0:
        raise ValueError("deep")
    boom(n - 1)
words = collections.Counter(re.findall(r"\w+", open(sys.argv[1]).read()))
print(words.most_common(5), depth(tree(9)))
print(hashlib.sha256(json.dumps(sorted(words.items())[:2000]).encode()).hexdigest())
print(len(zlib.compress(bytes(range(256)) * 400)))
try:
    boom(50)
except ValueError as error:
    print("caught", error)
done = []
threads = [threading.Thread(target=lambda i=i: done.append(sum(range(i * 1000)))) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(done))
print(subprocess.run(["echo", "child"], capture_output=True, text=True).stdout, end="")
sys.exit(3)
PYTHON
    cat >"$scratch/work.pl" <<'PERL'
my %h; my @a = map { ($_ * 7919) % 10007 } 1 .. 5000;
$h{$_ % 97} += $_ for @a;
print join(",", map { "$_=$h{$_}" } sort { $a <=> $b } keys %h), "\n";
my $t = join "", map { chr(97 + $_ % 26) } @a; $t =~ s/([aeiou])+/<$1>/g; print substr($t, 0, 200), "\n";
eval { die "thrown\n" }; print "caught $@";
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5; }; print "by $@";
print scalar(`echo child`); exit 4;
PERL
    cat >"$scratch/work.sql" <<'SQL'
create table t(id integer primary key, a int, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000)
  insert into t select i, (i * 7919) % 1009, printf('row %d', i) from n;
create index by_a on t(a);
select count(*), sum(a), min(b), max(b) from t;
select a, count(*) from t group by a order by 2 desc, 1 limit 5;
update t set b = upper(b) where a % 3 = 0; delete from t where a % 7 = 0;
select count(*), total(length(b)) from t; pragma integrity_check;
select group_concat(b, ';') from (select b from t where a between 10 and 12 order by id);
SQL
    cat >"$scratch/work.gdb" <<'GDB'
set confirm off
set pagination off
info functions ^f_
info line main
disassemble /r f_leaf
ptype struct timespec
print sizeof(int) * 7
GDB
}
repository() {
    local i
    export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' HOME=$scratch
    export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    mkdir "$scratch/repository"
    cd "$scratch/repository" || exit 1
    git init -q .
    for i in 1 2 3 4 5 6; do
        head -n $((i * 300)) "$scratch/text" | sed "s/7$i/changed/" >"file$((i % 3))"
        git add . && git commit -q -m "commit $i"
    done
}

python_() {
    same "$@" -- /usr/bin/python3 "$scratch/work.py" "$scratch/text"
}
sqlite_() {
    needs sqlite3
    same "$@" -- sqlite3 -init "$scratch/work.sql" :memory: .exit
}
git_() {
    needs git
    cd "$scratch/repository" || exit 1
    same "$@" -- git --no-pager log --stat -p --color=always
    same "$@" -- git --no-pager diff --word-diff HEAD~3
    same "$@" -- git fsck --full
    same "$@" -- git blame file1
}
gdb_() {
    needs gdb
    same "$@" -- gdb -nx --batch -x "$scratch/work.gdb" "$(program counts)"
}
packer() {
    local tool=$1 threads=$2
    shift 2
    needs "$tool"
    same "$@" -- "$tool" "$threads" -c "$scratch/text"
    cp "$scratch/plain.out" "$scratch/packed.$tool"
    same "$@" -- "$tool" -d -c "$scratch/packed.$tool"
    cmp "$scratch/traced.out" "$scratch/text" || fail "what comes out is not what went in"
}
perl_() {
    same "$@" -- perl "$scratch/work.pl"
}
# Its figures differ from run to run: only their shape is compared.
openssl_() {
    local shape='s/[0-9][0-9.]*k\{0,1\}/N/g; s/  */ /g'
    needs openssl
    bounded openssl speed -seconds 1 -bytes 1024 sha256 2>"$scratch/plain.err" | sed "$shape" >"$scratch/plain.out"
    recorded "$@" -- openssl speed -seconds 1 -bytes 1024 sha256 ||
        fail "ended with $?: $(tail -n 3 "$scratch/traced.err")"
    sed -i "$shape" "$scratch/traced.out"
    diff "$scratch/plain.out" "$scratch/traced.out" || fail "prints something of another shape"
    same "$@" -- openssl dgst -sha512 "$scratch/text"
    same "$@" -- openssl enc -aes-256-cbc -pbkdf2 -S 0011223344556677 -k key -in "$scratch/text"
}
cxx() {
    same "$@" -- "$(program exceptions)"
}

prepare
(repository) >/dev/null
for how in whole libs; do
    options=()
    [ $how = whole ] || options=(--libs)
    claim "python3_is_the_same_traced_$how" python_ "${options[@]}"
    claim "sqlite3_is_the_same_traced_$how" sqlite_ "${options[@]}"
    claim "git_is_the_same_traced_$how" git_ "${options[@]}"
    claim "gdb_is_the_same_traced_$how" gdb_ "${options[@]}"
    claim "xz_is_the_same_traced_$how" packer xz -T2 "${options[@]}"
    claim "zstd_is_the_same_traced_$how" packer zstd -T2 "${options[@]}"
    claim "perl_is_the_same_traced_$how" perl_ "${options[@]}"
    claim "openssl_is_the_same_traced_$how" openssl_ "${options[@]}"
    claim "exceptions_are_the_same_traced_$how" cxx "${options[@]}"
done
finish
