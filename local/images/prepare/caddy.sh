# shellcheck shell=sh disable=SC2154
mv usr/bin/caddy usr/share/caddy/index.html "$scratch"
rm -rf ./*
mkdir -p usr/bin usr/share/caddy etc/caddy config/caddy data/caddy srv
mv "$scratch/caddy" usr/bin/caddy
mv "$scratch/index.html" usr/share/caddy/index.html
