# shellcheck shell=sh disable=SC2154
cp "$debian/etc/passwd" "$debian/etc/group" etc/
echo 'redis:x:999:999::/data:/bin/false' >>etc/passwd
echo 'redis:x:999:' >>etc/group
rm -rf etc/redis etc/init.d etc/default var/lib/redis var/log/redis lib/systemd usr/lib/systemd
mkdir -p data
chown 999:999 data
