#!/bin/bash
# Does what the official image does, as far as compose files use it: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB
# (each also as _FILE), POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA, and *.sh, *.sql, *.sql.gz in
# /docker-entrypoint-initdb.d, run once in name order by a server that only listens on its socket.
set -Eeo pipefail

# POSTGRES_PASSWORD from POSTGRES_PASSWORD_FILE (a compose secret).
from_file() {
  local name=$1 file_name=$1_FILE
  if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
    echo "error: both $name and $file_name are set (but are exclusive)" >&2
    exit 1
  fi
  if [[ -n ${!file_name:-} ]]; then
    printf -v "$name" '%s' "$(<"${!file_name}")"
    export "${name?}"
  fi
  unset "$file_name"
}

settings() {
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_USER
  from_file POSTGRES_DB
  from_file POSTGRES_INITDB_ARGS
  export POSTGRES_USER=${POSTGRES_USER:-postgres}
  export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
  export POSTGRES_HOST_AUTH_METHOD=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
}

initialise() {
  if [[ -z ${POSTGRES_PASSWORD:-} && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
    cat >&2 <<'END'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".
END
    exit 1
  fi
  # shellcheck disable=SC2086 # several arguments in one variable, as with the official image
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-}") $POSTGRES_INITDB_ARGS
  printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"
}

run_psql() {
  PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc "$@"
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh)
        printf '%s: running %s\n' "$0" "$file"
        # shellcheck disable=SC1090
        if [[ -x $file ]]; then "$file"; else . "$file"; fi
        ;;
      *.sql)
        printf '%s: running %s\n' "$0" "$file"
        run_psql --dbname "$POSTGRES_DB" -f "$file"
        ;;
      *.sql.gz)
        printf '%s: running %s\n' "$0" "$file"
        gunzip -c "$file" | run_psql --dbname "$POSTGRES_DB"
        ;;
    esac
  done
}

if [[ ${1:0:1} == - ]]; then
  set -- postgres "$@"
fi

if [[ $1 == postgres && $(id -u) == 0 ]]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  find "$PGDATA" \! -user postgres -exec chown postgres {} +
  exec setpriv --reuid=postgres --regid=postgres --init-groups -- "${BASH_SOURCE[0]}" "$@"
fi

if [[ $1 == postgres && ! -s $PGDATA/PG_VERSION ]]; then
  settings
  initialise
  PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
  export PGPASSWORD
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  if [[ $POSTGRES_DB != postgres ]]; then
    printf 'CREATE DATABASE :"db" ;\n' | run_psql --dbname postgres --set db="$POSTGRES_DB"
  fi
  run_init_files
  pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
fi

exec "$@"
