#!/bin/sh
# Arguments alone are curl's; anything else is a command to run.
case "${1:-}" in
    -* | http://* | https://*) exec curl "$@" ;;
esac
exec "$@"
