#!/bin/sh
# As in the official image, options or a configuration file alone start the server; the server drops root.
set -e

if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
  set -- redis-server "$@"
fi
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . \! -user redis -exec chown redis {} +
  exec setpriv --reuid=redis --regid=redis --clear-groups -- "$0" "$@"
fi
# Other containers are the clients, so protected mode (loopback only) is off unless it is requested.
if [ "$1" = redis-server ]; then
  case " $* " in
    *' --protected-mode '* | *.conf\ *) ;;
    *) set -- "$@" --protected-mode no ;;
  esac
fi
exec "$@"
