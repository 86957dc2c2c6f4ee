# shellcheck shell=sh disable=SC2154
# busybox:1 is one static program under all its names.
mv usr/bin/busybox "$scratch/busybox"
rm -rf ./* && mkdir -p bin etc home root tmp usr/bin usr/sbin var/www var/spool/mail dev proc sys run
chmod 1777 tmp
chmod 700 root
mv "$scratch/busybox" bin/busybox
for applet in $(bin/busybox --list); do
  [ "$applet" = busybox ] || ln bin/busybox "bin/$applet"
done
ln -s /bin/env usr/bin/env
ln -s /bin sbin
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
printf 'hosts: files dns\n' >etc/nsswitch.conf
