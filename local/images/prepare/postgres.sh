# shellcheck shell=sh disable=SC2154
cp "$debian/etc/passwd" "$debian/etc/group" etc/
echo 'postgres:x:999:999::/var/lib/postgresql:/bin/bash' >>etc/passwd
echo 'postgres:x:999:' >>etc/group
mkdir -p docker-entrypoint-initdb.d var/lib/postgresql/data run/postgresql
chown -R 999:999 var/lib/postgresql run/postgresql
chmod 700 var/lib/postgresql/data
chmod 3777 run/postgresql
# The official image listens on all addresses; its clients are the other containers.
echo "listen_addresses = '*'" >>usr/share/postgresql/15/postgresql.conf.sample
