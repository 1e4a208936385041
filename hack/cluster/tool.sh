#!/usr/bin/env bash
# Builds the image of the end-to-end tests' client into an archive:
#   hack/cluster/tool.sh CLIENT IMAGES
# It lies beside the Redis image that it is made from.
set -euo pipefail
client=$(realpath "$1") images=$(realpath "$2")
stamp=$(cat "$client" "$images/redis.tar" | sha256sum)
[ "$(cat "$images/.tool" 2>/dev/null)" != "$stamp" ] || exit 0
export STORAGE_DRIVER=vfs
container=$(buildah from -q "docker-archive:$images/redis.tar:docker.io/library/redis:8.2")
buildah copy -q "$container" "$client" /usr/local/bin/client >/dev/null
buildah config --cmd client --entrypoint '[]' "$container"
buildah commit -q --rm "$container" e2e:local >/dev/null
rm -f "$images/e2e.tar"
buildah push -q e2e:local "docker-archive:$images/e2e.tar:docker.io/library/e2e:local"
echo "$stamp" >"$images/.tool"
echo "cluster: image e2e:local, $(du -h "$images/e2e.tar" | cut -f1)"
