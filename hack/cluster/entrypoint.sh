#!/bin/sh
# The entrypoint of the images that stand for the stock ones.
set -e
case "${1:-}" in
  -*|*.conf) set -- redis-server "$@" ;;
esac
case "$1" in
  *-server)
    if [ "$(id -u)" = 0 ]; then
      # shellcheck disable=SC2016 # for the shell that su starts
      exec su redis -c 'exec "$0" "$@"' -- "$0" "$@"
    fi
    # Without a file the official image has no protected mode.
    case "${2:-}" in
      ''|-*) server=$1; shift; set -- "$server" --protected-mode no "$@" ;;
    esac ;;
esac
exec "$@"
