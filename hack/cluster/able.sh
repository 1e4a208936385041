#!/usr/bin/env bash
# Says in one line, and fails, where this machine cannot be a cluster.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || fail "needs root: nodes have mounts, networks and control groups of their own"
unshare --net --mount --pid --uts --ipc --fork true 2>/dev/null ||
  fail "this machine gives no namespaces: run as root with CAP_SYS_ADMIN"
[ -n "$(hierarchies)" ] || fail "this machine mounts no control groups"
