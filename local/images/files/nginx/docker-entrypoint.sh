#!/bin/sh
# Does what the official image does: templates first, then the files mounted into /docker-entrypoint.d, then the
# command.
set -e

if [ "$1" = nginx ]; then
  defined=$(env | cut -d= -f1 | sed 's/^/${/; s/$/}/' | tr '\n' ' ')
  find /etc/nginx/templates -name '*.template' 2>/dev/null | while read -r template; do
    target=/etc/nginx/conf.d/${template#/etc/nginx/templates/}
    target=${target%.template}
    mkdir -p "$(dirname "$target")"
    envsubst "$defined" <"$template" >"$target"
  done
  for script in /docker-entrypoint.d/*; do
    case $script in
      *.envsh)
        # shellcheck disable=SC1090
        [ ! -x "$script" ] || . "$script"
        ;;
      *.sh) [ ! -x "$script" ] || "$script" ;;
    esac
  done
fi

exec "$@"
