# shellcheck shell=sh disable=SC2154
# $node is the node binary, $npm the unpacked npm package, $npmrc the global settings of npm.
cp "$debian/etc/passwd" "$debian/etc/group" etc/
echo 'node:x:1000:1000::/home/node:/bin/bash' >>etc/passwd
echo 'node:x:1000:' >>etc/group
mkdir -p usr/local/bin usr/local/etc usr/local/lib/node_modules home/node
chown 1000:1000 home/node
cp "$node" usr/local/bin/node
cp "$npmrc" usr/local/etc/npmrc
cp -R "$npm" usr/local/lib/node_modules/npm
rm -rf usr/local/lib/node_modules/npm/docs usr/local/lib/node_modules/npm/man
chown -R 0:0 usr/local/lib/node_modules
ln -s node usr/local/bin/nodejs
ln -s ../lib/node_modules/npm/bin/npm-cli.js usr/local/bin/npm
ln -s ../lib/node_modules/npm/bin/npx-cli.js usr/local/bin/npx
chmod 755 usr/local/lib/node_modules/npm/bin/npm-cli.js usr/local/lib/node_modules/npm/bin/npx-cli.js
