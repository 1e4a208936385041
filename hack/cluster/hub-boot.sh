#!/usr/bin/env bash
# The hub's network, in a new network namespace: the address of the control plane. Nodes add their
# links when they start.
. "$(dirname "$0")/lib.sh"
ip link set lo up
ip address add "$hub_address/32" dev lo
echo 1 >/proc/sys/net/ipv4/ip_forward
become "$here/hub-main.sh"
