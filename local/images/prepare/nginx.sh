# shellcheck shell=sh disable=SC2154
# The official image's layout replaces Debian's (sites-enabled, modules-enabled, /var/www).
cp "$debian/etc/passwd" "$debian/etc/group" etc/
echo 'nginx:x:101:101:nginx user:/nonexistent:/bin/false' >>etc/passwd
echo 'nginx:x:101:' >>etc/group
rm -rf etc/nginx/sites-* etc/nginx/modules-* etc/nginx/snippets etc/nginx/conf.d etc/nginx/nginx.conf var/www \
  usr/share/nginx/html etc/init.d etc/logrotate.d
mkdir -p var/log/nginx var/lib/nginx var/cache/nginx etc/nginx/templates docker-entrypoint.d run
ln -sf /dev/stdout var/log/nginx/access.log
ln -sf /dev/stderr var/log/nginx/error.log
chown -R 101:101 var/lib/nginx var/cache/nginx
