# What the scripts of the cluster share; sourced, never run.
#
# A machine (the hub, and each node) is a top process with network, mounts, process ids and host name
# of its own: its end ends all that runs in it, and takes its mounts and its link with it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=$root/.cache/cluster
# What a running cluster keeps; gone with it.
state=$cache/run
assets=${KUBEBUILDER_ASSETS:-$root/.cache/control-plane}
PATH=$cache/bin:$assets:$PATH
export KUBECONFIG=$state/admin.kubeconfig

# Addresses that no network uses (RFC 2544).
hub_address=198.19.255.1
service_range=198.18.0.0/16
pod_range=198.19.0.0/17
# The cgroup of all nodes, in each hierarchy.
cgroup=ordain-cluster
# A link's ends know each other by these, so that a cut link times out instead of failing at once.
hub_mac=02:00:c6:13:ff:01
node_mac() { printf '02:00:c6:13:00:%02x' "${1#node}"; }
node_address() { echo "198.19.255.$((10 + ${1#node}))"; }
node_pods() { echo "198.19.${1#node}.0/24"; }

fail() {
  echo "cluster: $*" >&2
  exit 1
}

# started PID: when the process started, so that a process id that is used again is not taken for it
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# top MACHINE: its top process, if it lives
top() {
  local pid since
  read -r pid since 2>/dev/null <"$state/$1/top" || return 1
  [ "$(started "$pid")" = "$since" ] || return 1
  echo "$pid"
}

# boot MACHINE SCRIPT…: starts a machine; SCRIPT prints a line when its network stands
boot() {
  local machine=$1 pid
  shift
  mkdir -p "$state/$machine"
  read -r -t 30 pid < <(exec setsid unshare --net -- "$@" 2>>"$state/$machine/log") ||
    fail "$machine does not start: $(tail -n 3 "$state/$machine/log")"
  echo "$pid $(started "$pid")" >"$state/$machine/top"
}

# become MAIN ARGUMENTS…: the rest of a machine's top process, after it has said that its network
# stands
become() {
  echo $$
  exec unshare --mount --pid --uts --ipc --fork --kill-child --mount-proc -- "$@" >&2
}

# power_off MACHINE: ends its processes as a power cut does, and waits until the last one is gone
power_off() {
  local pid first hierarchy
  pid=$(top "$1") || return 0
  first=$(pgrep -P "$pid" || true)
  kill -KILL "$pid"
  # The first process of a machine is gone when all others are.
  [ -z "$first" ] || timeout 30 tail --pid="$first" -s 0.05 -f /dev/null || fail "$1 does not end"
  # Nor does a power cut leave control groups, which the next kubelet would try to follow one by one.
  while read -r hierarchy _; do
    [ ! -d "$hierarchy/$cgroup/$1" ] || find "$hierarchy/$cgroup/$1" -depth -type d -exec rmdir {} +
  done < <(hierarchies)
  rm -f "$state/$1/top"
}

# nodes: those that were ever started, running or not
nodes() { for folder in "$state"/node*/; do [ ! -d "$folder" ] || basename "$folder"; done; }

# in_network MACHINE COMMAND…
in_network() {
  local pid
  pid=$(top "$1") || fail "$1 does not run: hack/cluster/up starts the cluster"
  shift
  nsenter --target "$pid" --net -- "$@"
}

# hierarchies: where control groups are mounted, and of which version
hierarchies() { awk '$3 ~ /^cgroup2?$/ { print $2, $3 }' /proc/mounts; }
