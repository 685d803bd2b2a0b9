#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The static build, in a guest that has a busybox and no library at all. Tells as gtest does, for tools/test.
#
# shellcheck disable=SC2317 # expect calls them

failed=0

# expect NAME COMMAND...
expect() {
  name=$1
  shift
  echo "[ RUN      ] Static.$name"
  if "$@"; then
    echo "[       OK ] Static.$name (0 ms)"
  else
    cat errors
    echo "[  FAILED  ] Static.$name (0 ms)"
    failed=1
  fi
}

# told WORD COMMAND...: something with it
told() {
  word=$1
  shift
  "$@" 2>errors | grep -qF -- "$word"
}

# What the README promises.
is_small() { [ "$(stat -c %s bindtrace)" -le $((8 << 20)) ]; }

no_libraries() { [ -z "$(find / -xdev -name '*.so*')" ]; }

# The web server cannot start; what is recorded of it is replayed.
refused_and_recorded() {
  ! ./bindtrace record -o capture --force -- httpd -f -p 8080 2>errors &&
    told EADDRINUSE ./bindtrace replay capture --failed &&
    told '"user":"root"' ./bindtrace replay capture --failed --json &&
    told listener ./bindtrace report capture --json
}

exported() { ./bindtrace export capture --to sqlite -o ports.db 2>errors && [ -s ports.db ]; }

httpd -f -p 8080 &
until grep -q :1F90 /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done

expect ThereIsNoLibrary no_libraries
expect ItHasAtMostEightMebibytes is_small
expect WhoFindsAListener told httpd ./bindtrace who 8080
expect DoctorKnowsAStrategy ./bindtrace doctor
expect RecordsAndReplaysARefusal refused_and_recorded
expect ExportsToADatabase exported
exit "$failed"
