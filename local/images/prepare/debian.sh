# shellcheck shell=sh disable=SC2154
# Does what the packages' install scripts would do, as far as containers notice: accounts, certificates, awk, and the
# small tools (nc, ps) that health checks use and official images have. $authorities holds this machine's own
# certificates, with which the data that it fetches is signed.
cp usr/share/base-passwd/passwd.master etc/passwd
echo '_apt:x:42:65534::/nonexistent:/usr/sbin/nologin' >>etc/passwd
cp usr/share/base-passwd/group.master etc/group
sed 's/^\([^:]*\):.*/\1:*:19000:0:99999:7:::/' etc/passwd >etc/shadow
chmod 640 etc/shadow
cp usr/share/libc-bin/nsswitch.conf etc/nsswitch.conf
ln -sf mawk usr/bin/awk
mkdir -p etc/ssl/certs usr/local/share/ca-certificates
(cd usr/share/ca-certificates && find . -name '*.crt' | sed 's,^\./,,' | sort) >etc/ca-certificates.conf
find "$authorities" -name '*.crt' -exec cp {} usr/local/share/ca-certificates/ \;
find usr/share/ca-certificates usr/local/share/ca-certificates -name '*.crt' -exec cat {} + >etc/ssl/certs/ca-certificates.crt
for applet in nc ps top vi less ping telnet nslookup free uptime pidof killall unzip xxd; do
  [ -e "usr/bin/$applet" ] || ln -s busybox "usr/bin/$applet"
done
mkdir -p usr/local/bin usr/local/lib usr/local/sbin var/lib/apt/lists opt mnt media srv
rm -rf var/run var/lock
ln -s /run var/run
ln -s /run/lock var/lock
# As in the official image, there are no translations, and installing a server does not start it.
echo 'Acquire::Languages "none";' >etc/apt/apt.conf.d/docker-no-languages
printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
