#!/usr/bin/env bash
# Feeds every fuzz target with made-up input, beginning with its corpus:
#   hack/fuzz.sh SECONDS     without SECONDS: only builds them
# What it finds on its way it keeps in .cache/fuzz; what makes a target fail, in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.13.2
tools=$PWD/.cache/cargo-fuzz
export PATH="$tools/bin:$PATH"

if ! command -v c++ >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "fuzz: please install g++ (on Debian: sudo apt-get install g++)" >&2
    exit 1
  fi
  echo "fuzz: installing g++ from Debian"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ >/dev/null
fi
if [ "$(cargo-fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
  cargo install --quiet --version "$version" --locked --root "$tools" cargo-fuzz
fi

# The compiler's coverage is enough: all of this is safe code. Sanitizers would need a nightly compiler.
cargo fuzz build --sanitizer none
[ $# -gt 0 ] || exit 0
for target in $(cargo fuzz list); do
  mkdir -p ".cache/fuzz/$target"
  cargo fuzz run --sanitizer none "$target" ".cache/fuzz/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$1" -rss_limit_mb=1024 -timeout=10 -verbosity=0 -print_final_stats=1
done
