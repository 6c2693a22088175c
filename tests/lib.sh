# What tests/run, tests/tsan, tests/valgrind and tests/coverage share; each sources it first. Sets `top` (the tree, which is
# made the working directory), `jobs`, a clean environment, and the counters behind the last line of a run.
case ${1-} in # what stands in the head of the script that sources this is its usage
-h | --help)
	sed -n '2,/^set /s/^# \{0,1\}//p' "$(readlink -f "${BASH_SOURCE[1]}")"
	exit 0
	;;
esac
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." || exit 1
top=$PWD
jobs=$(nproc)

# A developer's environment is not part of a test.
for name in $(compgen -e); do
	case $name in
	SSLKEYLOGFILE | SSL_CERT* | GNUTLS_* | SASL_* | OPENSSL_* | LC_* | LANG | LANGUAGE | PYTHON* | PYTEST_* | LUA_*) unset "$name" ;;
	CC | CC_LD | CFLAGS | CPPFLAGS | LDFLAGS | MAKEFLAGS | DESTDIR | ASAN_OPTIONS | UBSAN_OPTIONS | LSAN_OPTIONS | TSAN_OPTIONS) unset "$name" ;;
	LD_PRELOAD | VALGRIND_OPTS | GCOV_* | UV_* | NOTIFY_SOCKET | WATCHDOG_* | LISTEN_* | JOURNAL_STREAM | XFED_BUILD | XFED_PACKAGES | MESON_TESTTHREADS) unset "$name" ;;
	esac
done
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

passed=0 failed=0 skipped=0
count() { # PASSED FAILED SKIPPED
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}
minutes() { # SECONDS: with one decimal
	printf '%d.%d' $(($1 / 60)) $(($1 % 60 / 6))
}
finish() { # [NAME]: with a name the last line is its verdict
	local status=0
	[ $failed -eq 0 ] || status=1
	if [ $skipped -gt 0 ] && [ "${CI-}" = true ]; then
		echo "with CI=true a skipped test counts as a failure"
		status=1
	fi
	echo "total: $(minutes $SECONDS) min"
	echo "$passed passed, $failed failed, $skipped skipped"
	if [ $# -gt 0 ]; then
		[ $status -eq 0 ] && echo "$1: passed" || echo "$1: FAILED"
	fi
	exit $status
}

need_packages() { # [NAME]: see finish
	if ! packaging/install-deps; then
		echo "$0: nothing was run, for what is needed could not be installed" >&2
		count 0 1 0
		finish "$@"
	fi
}

# ---- builds ----

declare -A options=(
	[release]="-Dwerror=true -Db_lto=true -Dtests=false"
	[plain]="-Dwerror=true -Dhardening=false"
	[asan]="-Dwerror=true -Db_sanitize=address,undefined -Dhardening=false -Db_lundef=false"
	[clang]="-Dwerror=true -Db_sanitize=address,undefined -Dhardening=false -Db_lundef=false"
	[tsan]="-Dwerror=true -Db_sanitize=thread -Dhardening=false -Db_lundef=false"
	[coverage]="-Dwerror=true -Db_coverage=true -Dhardening=false -Doptimization=0"
)
declare -A compiler=([release]=gcc [plain]=gcc [asan]=gcc [clang]=clang-14 [tsan]=gcc [coverage]=gcc)
declare -A built=()

in_log() { # LOG COMMAND...: silent; the end of the log when it fails
	local log=$1
	shift
	if ! "$@" > "$log" 2>&1; then
		echo "failed: $*"
		grep -nE 'error:|ERROR|FAILED' "$log" | head -n 20
		echo "--- the end of $log"
		tail -n 60 "$log"
		return 1
	fi
}

build() { # NAME: builds once; false when that failed, also the second time it is asked for
	local name=$1 dir=build/$1 start=$SECONDS wanted targets=()
	case ${built[$name]-} in
	yes) return 0 ;;
	no) return 1 ;;
	esac
	wanted="${compiler[$name]} ${options[$name]}"
	built[$name]=no
	mkdir -p build
	if [ "$(cat "$dir.options" 2> /dev/null)" != "$wanted" ]; then
		rm -rf "$dir"
	fi
	if [ ! -f "$dir/build.ninja" ]; then
		rm -rf "$dir"
		# shellcheck disable=SC2086
		if ! CC=${compiler[$name]} in_log build/$name.log meson setup "$dir" ${options[$name]}; then
			count 0 1 0
			return 1
		fi
		echo "$wanted" > "$dir.options"
	fi
	if [ "$name" = clang ]; then # everything else is compiled by gcc already
		if ! in_log build/$name.log ninja --quiet -C "$dir" build.ninja; then # a target may be new
			count 0 1 0
			return 1
		fi
		mapfile -t targets < <(ninja -C "$dir" -t targets all | sed -n 's/^\(tests\/fuzz\/fuzz_[a-z0-9_]*\): .*/\1/p')
	fi
	if ! in_log build/$name.log nice ninja --quiet -C "$dir" -j "$jobs" "${targets[@]}"; then # a suite may be running beside
		count 0 1 0
		return 1
	fi
	built[$name]=yes
	echo "build $name: $(minutes $((SECONDS - start))) min"
}

# What tests/panel/package.json names, into build/panel: once, and again when the list has changed. The network is needed for that alone.
node_modules() {
	local dir=build/panel
	if ! cmp -s tests/panel/package-lock.json $dir/installed.json; then
		mkdir -p $dir
		cp tests/panel/package.json tests/panel/package-lock.json $dir/
		if ! in_log build/node_modules.log npm ci --prefix $dir --ignore-scripts --no-audit --no-fund --prefer-offline; then
			count 0 1 0
			return 1
		fi
		cp $dir/package-lock.json $dir/installed.json
	fi
}

# ---- runners: each counts what it ran ----

# The loopback suite waits more than it computes: four files at a time on any machine, each with processes and ports of its own.
loopback_tests() {
	pytest_tests loopback -n 4 --dist loadfile
}

meson_tests() { # BUILD LABEL ARGUMENTS...; `timeouts`: how much longer than it says a test may take
	local dir=build/$1 label=$2 log
	shift 2
	log=$dir/meson-logs/$label
	rm -f "$log".json "$log"-*.json # with a wrapper its name is part of the file's
	meson test -C "$dir" --no-rebuild --num-processes "$jobs" --timeout-multiplier "${timeouts:-3}" --print-errorlogs --logbase "$label" "$@" \
		< /dev/null 2>&1 | sed -e '/^$/d' -e '/^ninja: /d' -e '/^Ok: /,$d'
	# shellcheck disable=SC2046
	count $(/usr/bin/python3 - "$log" <<- 'END'
		import glob, json, sys
		tally = {"passed": 0, "failed": 0, "skipped": 0}
		for log in glob.glob(sys.argv[1] + ".json") + glob.glob(sys.argv[1] + "-*.json"):
		    with open(log, encoding="utf-8") as f:
		        for line in f:
		            result = json.loads(line)["result"]
		            key = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(result, "failed")
		            tally[key] += 1
		if not sum(tally.values()):
		    tally["failed"] = 1
		    print("no test has run", file=sys.stderr)
		print(tally["passed"], tally["failed"], tally["skipped"])
	END
	)
}

pytest_tests() { # SUITE [OPTION...]; `paths`: files of it, all unless set
	local suite=$1 xml=$top/build/$1.xml
	shift
	rm -f "$xml"
	# Debian's python and no other: the users of the interop suite need Debian's slixmpp.
	# shellcheck disable=SC2086
	/usr/bin/python3 -B -m pytest -p no:cacheprovider -o console_output_style=classic -v --tb=short -rs --maxfail=20 --junitxml="$xml" "$@" \
		${paths:-tests/$suite} < /dev/null 2>&1
	# shellcheck disable=SC2046
	count $(/usr/bin/python3 - "$xml" <<- 'END'
		import sys
		import xml.etree.ElementTree as ET
		total = bad = skipped = 0
		try:
		    for suite in ET.parse(sys.argv[1]).getroot().iter("testsuite"):
		        total += int(suite.get("tests"))
		        bad += int(suite.get("failures")) + int(suite.get("errors"))
		        skipped += int(suite.get("skipped"))
		except (OSError, ET.ParseError):
		    pass
		if total == 0:
		    bad = total = 1
		    print("no test has run", file=sys.stderr)
		print(max(total - bad - skipped, 0), bad, skipped)
	END
	)
}
