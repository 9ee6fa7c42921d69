#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes counter.tar.gz again: counter.c in a container of runc(8), dumped by CRIU, as Podman and
# CRI-O export one. It takes root, runc, gcc, python3 and a CRIU: $CRIU, or an installed one.
set -eu
cd "$(dirname "$0")"
criu=${CRIU:-$(command -v criu)}
here=$PWD folder=$(mktemp -d) name=counter-$$
trap 'runc --root "$folder/state" delete -f "$name" 2>/dev/null || true; rm -rf "$folder"' EXIT

mkdir -p "$folder"/{bundle/rootfs/{bin,proc,tmp},export,dump,work}
gcc -Os -Wall -Wextra -Werror -static -nostdlib -fno-stack-protector \
  -fno-asynchronous-unwind-tables -fcf-protection=none -mgeneral-regs-only \
  -Wl,--build-id=none,-z,norelro -s -o "$folder/bundle/rootfs/bin/counter" counter.c
cd "$folder/bundle"
runc spec
python3 - <<'P'
import json
it = json.load(open("config.json"))
it["process"].update(terminal=False, args=["/bin/counter"], env=[], capabilities={})
it["root"]["readonly"] = False
it["hostname"] = "counter"
it["mounts"] = [m for m in it["mounts"] if m["destination"] == "/proc"]
it["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
                     "options": ["nosuid", "nodev", "size=64k"]})
it["linux"].update(maskedPaths=[], readonlyPaths=[], resources={},
                   namespaces=[{"type": kind} for kind in ("pid", "mount", "uts")])
json.dump(it, open("config.json", "w"), indent=1)
P
runc --root "$folder/state" run -d "$name" </dev/null > >(cat >/dev/null) 2>/dev/null
sleep 1
runc --root "$folder/state" --criu "$criu" checkpoint --image-path "$folder/dump" \
  --work-path "$folder/work" "$name"

# The cgroups of the machine that it was made on are of no use elsewhere. Beside the images: what
# was run, and the files of the container, as an engine has them.
cd "$folder/export"
rm -f "$folder"/dump/{stats-*,*.log}
"$here"/../../tests/fixtures/rewrite-dump.py without-cgroups "$folder/dump" checkpoint
cp ../bundle/config.json spec.dump
printf '{"id":"counter","name":"counter","runtime":"runc"}\n' >config.dump
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf rootfs-diff.tar \
  -C ../bundle/rootfs bin proc tmp
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - -- * |
  gzip -n9 >"$here/counter.tar.gz"
ls -l "$here/counter.tar.gz"
