// SPDX-License-Identifier: Apache-2.0
#include "policy/members.h"

#include <algorithm>

namespace crgen {
namespace {

constexpr Member kMembers[] = {
    {"uids", Group::kWho, Form::kNumbers,
     "real, effective, saved and file system user ids of all threads, and those that signals of "
     "O_ASYNC are sent with"},
    {"gids", Group::kWho, Form::kNumbers, "group ids of all threads, supplementary ones too"},
    {"capabilities", Group::kWho, Form::kGlobs, "permitted or effective: CAP_ names"},
    {"capabilities_inheritable", Group::kWho, Form::kGlobs, "likewise inheritable"},
    {"capabilities_ambient", Group::kWho, Form::kGlobs, "likewise ambient"},
    {"capabilities_bounding", Group::kWho, Form::kGlobs, "likewise in the bounding set"},
    {"securebits", Group::kWho, Form::kGlobs, "SECBIT_ names"},
    {"without_no_new_privs", Group::kWho, Form::kFlag,
     "threads without PR_SET_NO_NEW_PRIVS, which setuid executables give more rights"},
    {"seccomp", Group::kWho, Form::kGlobs,
     "of each thread: `none`, `strict`, or `sha256:` and the digest of its filters"},
    {"lsm", Group::kWho, Form::kGlobs, "labels of AppArmor and SELinux; `none`: the restorer's"},
    {"dumpable", Group::kWho, Form::kFlag,
     "processes that others of the same ids may trace and read (PR_SET_DUMPABLE)"},
    {"scheduling", Group::kWho, Form::kGlobs,
     "real-time and deadline policies by name; `nice -5`: below 0"},
    {"oom_score_adj", Group::kWho, Form::kGlobs, "below 0: who is killed later than others"},
    {"personality", Group::kWho, Form::kGlobs, "personality(2) but 0x0"},
    {"loginuids", Group::kWho, Form::kNumbers, "who the audit log says that it was"},
    {"paths",
     Group::kOpens,
     Form::kEntries,
     "what is opened, mapped, executed, watched, entered (working and root directories, O_PATH) or "
     "created (files without a name). Absolute, as the tree sees them",
     {"path"},
     "access",
     {"read", "write", "execute", "create", "enter", "watch"}},
    {"beyond_root", Group::kOpens, Form::kGlobs,
     "paths that a process has open, or is in, outside of its own root directory"},
    {"devices",
     Group::kOpens,
     Form::kEntries,
     "character and block devices, and whatever else is below /dev but /dev/shm; of one that is "
     "made because it has no name, also its numbers: `char:1:3`, `block:8:0`",
     {"path"},
     "access",
     {"read", "write", "execute", "create", "enter", "watch"}},
    {"setuid", Group::kOpens, Form::kGlobs,
     "files with the setuid or setgid bit, as far as the dump or the host says it"},
    {"code",
     Group::kOpens,
     Form::kEntries,
     "executable memory that is not just a file: `loaded`: some of its bytes are the dump's; "
     "`writable`; `written`: a file or memory that the tree executes and may "
     "write elsewhere (a memfd unless it is sealed). By its path, or "
     "`[anonymous]`, `[memfd:NAME]`, `[shared]`, `[sysv]`",
     {"memory"},
     "how",
     {"loaded", "writable", "written"}},
    {"namespaces", Group::kPlaces, Form::kGlobs,
     "cgroup, ipc, mnt, net, pid, time, user or uts, and `:own` (new), `:caller` (that of who "
     "restores) or `:external` (handed over)"},
    {"id_maps", Group::kPlaces, Form::kGlobs,
     "of a user namespace of its own, which ids inside are which outside: `uid:0-65535:100000-"
     "165535`, `gid:0:1000`"},
    {"mounts",
     Group::kPlaces,
     Form::kEntries,
     "what is mounted: a file system by its name, a `bind` of a part of another one (`source`: "
     "`root:/part`, `external KEY:/part`, `tmpfs at /target:/part`), `external` or `root`; and "
     "which of these flags it may lack",
     {"type", "source", "target"},
     "without",
     {"read_only", "nosuid", "nodev", "noexec"}},
    {"cgroups", Group::kPlaces, Form::kGlobs,
     "places: `CONTROLLERS:PATH`; version 2: `unified:PATH`"},
    {"cgroup_properties", Group::kPlaces, Form::kGlobs,
     "files that are written there: `NAME=VALUE`; and who may write: `permissions=0755 0:0` of a "
     "folder, `permissions of NAME=0644 0:0`"},
    {"sockets",
     Group::kPlaces,
     Form::kEntries,
     "by the names of socket(2); `local` and `peer` are `ADDRESS:PORT`, a path, `@NAME` "
     "(abstract), "
     "`port N` or `interface N`; nothing: it has none. Pairs of unix sockets without a name are "
     "always allowed",
     {"family", "type", "protocol", "local", "peer"}},
    {"notifications", Group::kPlaces, Form::kGlobs,
     "`fanotify`: descriptors of files that others open; `wake_alarm`: timers that wake the "
     "machine"},
    {"bpf_maps", Group::kPlaces, Form::kGlobs,
     "maps that are made in the kernel: `BPF_MAP_TYPE_HASH:NAME`, without a name "
     "`BPF_MAP_TYPE_HASH:`"},
    {"externals",
     Group::kCaller,
     Form::kEntries,
     "what the caller of a restore gives or consents to: `credentials`, `limits` (those of the "
     "restorer), `descriptor`, `terminal`, `session`, `root`, `mount`, `mount_events` (a mount "
     "there, by its place, that gets events of the caller's mounts, or shares them), `network`, "
     "`device`, `pid_namespace`, `namespace`, `locks`, `network_lock`, `sysv` (shared memory); "
     "and its key, where it has one",
     {"kind", "key"}},
    {"processes", Group::kSize, Form::kMost, "that the tree has, with invented ones"},
    {"threads", Group::kSize, Form::kMost, "of all processes, leaders too"},
    {"memory", Group::kSize, Form::kMost, "bytes that all processes map"},
    {"descriptors", Group::kSize, Form::kMost, "of one process"},
    {"changed",
     Group::kHost,
     Form::kGlobs,
     "with --host: paths whose file has another type, mode, size or build id than it had",
     {},
     {},
     {},
     "put the file back as it was"},
    {"missing",
     Group::kHost,
     Form::kGlobs,
     "with --host: paths that lead to nothing, or to what cannot be looked at",
     {},
     {},
     {},
     "put the file where it was"},
    {"writable_by_all",
     Group::kHost,
     Form::kGlobs,
     "with --host: regular files that everybody may write",
     {},
     {},
     {},
     "chmod o-w"},
    {"",
     Group::kUnknown,
     Form::kNever,
     "",
     {},
     {},
     {},
     "crgen cannot judge it: check a plan that leaves it out (crgen --partial), if there is one"},
};
static_assert(std::size(kMembers) == kKinds);

}  // namespace

std::span<const Member, kKinds> Members() { return std::span<const Member, kKinds>(kMembers); }

std::size_t PartsOf(const Member& member) {
  if (member.form != Form::kEntries) return member.form == Form::kGlobs ? 1 : 0;
  return static_cast<std::size_t>(
      std::ranges::count_if(member.parts, [](std::string_view part) { return !part.empty(); }));
}

}  // namespace crgen
