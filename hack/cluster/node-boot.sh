#!/usr/bin/env bash
# A node's network, in a new network namespace: a link to the hub, which knows the way to each node's
# pods.
#   hack/cluster/node-boot.sh NODE
. "$(dirname "$0")/lib.sh"
node=$1
address=$(node_address "$node")
pods=$(node_pods "$node")
hub=$(top hub) || fail "the hub does not run"

ip link add eth0 address "$(node_mac "$node")" type veth peer name "$node" address "$hub_mac" netns "$hub"
ip link set lo up
ip link set eth0 up
ip address add "$address/32" dev eth0
ip neighbour replace "$hub_address" lladdr "$hub_mac" dev eth0 nud permanent
ip route add "$hub_address" dev eth0 src "$address"
# Nodes and pods; there is no way out of the cluster.
ip route add 198.19.0.0/16 via "$hub_address" dev eth0 src "$address"
ip route add "$service_range" dev lo src "$address"
# The address of a pod that is gone: not sent back and forth between node and hub.
ip route add blackhole "$pods"
echo 1 >/proc/sys/net/ipv4/ip_forward

in_network hub ip -batch - <<END
link set $node up
neighbour replace $address lladdr $(node_mac "$node") dev $node nud permanent
route replace $address dev $node src $hub_address
route replace $pods via $address dev $node src $hub_address
# What is sent to a dead node vanishes, as on a real network, instead of failing at once.
route replace blackhole $address metric 1000
route replace blackhole $pods metric 1000
END
become "$here/node-main.sh" "$node"
