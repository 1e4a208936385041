#!/usr/bin/env bash
# Imports the images' archives that a node does not have yet; runs in the node's mounts:
#   hack/cluster/node-images.sh NODE
. "$(dirname "$0")/lib.sh"
folder=$state/$1
for archive in "$cache"/images/*.tar "$root/.cache/ordain.tar"; do
  stamp=$archive@$(stat -c %Y "$archive")
  grep -qxF "$stamp" "$folder/images" 2>/dev/null && continue
  # ctr waits for containerd's socket by itself.
  ctr --connect-timeout 30s --namespace k8s.io images import "$archive" >>"$folder/images.log" 2>&1
  echo "$stamp" >>"$folder/images"
done
