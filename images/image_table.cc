// SPDX-License-Identifier: Apache-2.0
#include "images/image_table.h"

#include <charconv>
#include <cstdlib>

#include "images/load/unknown_fields.h"

namespace crgen {
namespace {

// One row a kind. Rows that share a pattern do not exist: the name alone tells the kind, since
// PAGEMAP and SHMEM_PAGEMAP (and the signal images) share a magic.
using enum Payload;
using enum Treatment;
// A table: one row a line.
// clang-format off
constexpr ImageKind kKinds[] = {
    {"INVENTORY", "inventory.img", 0x58313116, "inventory_entry", "", kNone, kPlanned, "checked; ids of the dumping process tell what lies in namespaces of its own"},
    {"PSTREE", "pstree.img", 0x50273030, "pstree_entry", "pstree_entry", kNone, kPlanned, "FORK, SET_SID, SET_PGID, EXIT, WAIT, CREATE_THREAD"},
    {"CORE", "core-#.img", 0x55053847, "core_entry", "", kNone, kPlanned, "SET_ATTR, RESUME, EXIT"},
    {"IDS", "ids-#.img", 0x54432030, "task_kobj_ids_entry", "", kNone, kPlanned, "shared descriptor tables (CLONE_FILES), namespaces"},
    {"MM", "mm-#.img", 0x57492820, "mm_entry", "", kNone, kPlanned, "MAP_REGION, PROTECT_REGION, SET_ATTR mm"},
    {"FS", "fs-#.img", 0x51403912, "fs_entry", "", kNone, kPlanned, "SET_ATTR fs"},
    {"PAGEMAP", "pagemap-#.img", 0x56084025, "pagemap_head", "pagemap_entry", kNone, kPlanned, "LOAD_PAGES"},
    {"SHMEM_PAGEMAP", "pagemap-shmem-#.img", 0x56084025, "pagemap_head", "pagemap_entry", kNone, kPlanned, "LOAD_PAGES"},
    {"PAGES", "pages-#.img", 0, "", "", kWholeFile, kPlanned, "named as a source by LOAD_PAGES"},
    {"FDINFO", "fdinfo-#.img", 0x56213732, "fdinfo_entry", "fdinfo_entry", kNone, kPlanned, "OPEN_FILE, DUP_FD, CLOSE_FD"},
    {"FILES", "files.img", 0x56303138, "file_entry", "file_entry", kNone, kPlanned, "OPEN_FILE; types that no command says are refused by name"},
    {"REMAP_FPATH", "remap-fpath.img", 0x59133954, "remap_file_path_entry", "remap_file_path_entry", kNone, kPlanned, "OPEN_FILE: `unlinked`, `opened_by`; FORK and EXIT of processes that are gone"},
    {"GHOST_FILE", "ghost-file-%.img", 0x52583605, "ghost_file_entry", "ghost_chunk_entry", kUnlisted, kPlanned, "OPEN_FILE: `unlinked`; its content is named as a source"},
    {"PIPES_DATA", "pipes-data.img", 0x56453709, "pipe_data_entry", "pipe_data_entry", kFollows, kPlanned, "OPEN_FILE PIPE: `capacity`, `data`"},
    {"FIFO_DATA", "fifo-data.img", 0x59333054, "pipe_data_entry", "pipe_data_entry", kFollows, kPlanned, "OPEN_FILE FIFO: `capacity`, `data`"},
    {"SK_QUEUES", "sk-queues.img", 0x56264026, "sk_packet_entry", "sk_packet_entry", kFollows, kPlanned, "SET_ATTR descriptors: `queue`"},
    {"TCP_STREAM", "tcp-stream-%.img", 0x51465506, "tcp_stream_entry", "", kFollows, kPlanned, "OPEN_FILE INETSK: `stream`"},
    {"TTY_INFO", "tty-info.img", 0x59453036, "tty_info_entry", "tty_info_entry", kNone, kPlanned, "OPEN_FILE TTY"},
    {"TTY_DATA", "tty-data.img", 0x59413026, "tty_data_entry", "tty_data_entry", kNone, kPlanned, "SET_ATTR descriptors: `input`"},
    {"MEMFD_INODE", "memfd.img", 0x48453499, "memfd_inode_entry", "memfd_inode_entry", kNone, kPlanned, "MAP_REGION shmem, OPEN_FILE MEMFD"},
    {"FILE_LOCKS", "filelocks.img", 0x54323616, "file_lock_entry", "file_lock_entry", kNone, kPlanned, "SET_ATTR descriptors: locks and leases"},
    {"CGROUP", "cgroup.img", 0x59383330, "cgroup_entry", "", kNone, kPlanned, "SET_ATTR cgroup: the places of processes and threads, and the directories with their properties"},
    {"SECCOMP", "seccomp.img", 0x64413049, "seccomp_entry", "", kNone, kPlanned, "SET_ATTR seccomp"},
    {"APPARMOR", "apparmor.img", 0x59423047, "apparmor_entry", "", kNone, kUnsupported, "an AppArmor namespace"},
    {"BPFMAP_DATA", "bpfmap-data.img", 0x64324033, "bpfmap_data_entry", "bpfmap_data_entry", kFollows, kPlanned, "OPEN_FILE BPFMAP: `data` of `map`"},
    {"CPUINFO", "cpuinfo.img", 0x61404013, "cpuinfo_entry", "", kNone, kPlanned, "`about.cpu`: features that bring instructions"},
    {"UTSNS", "utsns-#.img", 0x54473203, "utsns_entry", "", kNone, kPlanned, "SET_ATTR uts"},
    {"TIMENS", "timens-#.img", 0x43114433, "timens_entry", "", kNone, kPlanned, "SET_ATTR time: the clocks at the dump, those of the host (timens-0) or of the tree's own time namespace"},
    {"PIDNS", "pidns-#.img", 0x61157326, "pidns_entry", "", kNone, kPlanned, "FORK of the root: `pid_namespace`, one from outside that the tree is in (criu dump --external pid[])"},
    {"USERNS", "userns-#.img", 0x55474906, "userns_entry", "", kNone, kPlanned, "FORK of the root: `uid_map`, `gid_map`"},
    {"MNTS", "mountpoints-#.img", 0x55563928, "mnt_entry", "mnt_entry", kNone, kPlanned, "SET_ATTR mounts, of all mount namespaces that a process is in; what cannot be mounted anew is refused by name"},
    {"IPC_VAR", "ipcns-var-#.img", 0x53115007, "ipc_var_entry", "", kNone, kPlanned, "SET_ATTR ipc"},
    {"IPCNS_SHM", "ipcns-shm-#.img", 0x46283044, "ipc_shm_entry", "ipc_shm_entry", kUnlisted, kPlanned, "SET_ATTR ipc: `shm`; one of huge pages is refused by name"},
    {"IPCNS_MSG", "ipcns-msg-#.img", 0x55453737, "ipc_msg_entry", "ipc_msg_entry", kUnlisted, kPlanned, "SET_ATTR ipc: `msg`"},
    {"IPCNS_SEM", "ipcns-sem-#.img", 0x59573019, "ipc_sem_entry", "ipc_sem_entry", kUnlisted, kPlanned, "SET_ATTR ipc: `sem`"},
    {"NETNS", "netns-#.img", 0x55933752, "netns_entry", "", kNone, kPlanned, "SET_ATTR net, further_nets: one that the caller of a restore has, an empty one, or its sysctls and numbers (`nsids`)"},
    {"NETDEV", "netdev-#.img", 0x57373951, "net_device_entry", "net_device_entry", kNone, kPlanned, "SET_ATTR net: `devices`; of types that no command makes refused by name"},
    {"IFADDR", "ifaddr-#.img", 0, "", "", kSaved, kPlanned, "SET_ATTR net: `addresses`"},
    {"ROUTE", "route-#.img", 0, "", "", kSaved, kPlanned, "SET_ATTR net: `routes`"},
    {"ROUTE6", "route6-#.img", 0, "", "", kSaved, kPlanned, "SET_ATTR net: `routes6`"},
    {"RULE", "rule-#.img", 0, "", "", kSaved, kPlanned, "SET_ATTR net: `rules`"},
    {"IPTABLES", "iptables-#.img", 0, "", "", kSaved, kPlanned, "SET_ATTR net: `iptables`"},
    {"IP6TABLES", "ip6tables-#.img", 0, "", "", kSaved, kPlanned, "SET_ATTR net: `ip6tables`"},
    {"NFTABLES", "nftables-#.img", 0, "", "", kSaved, kPlanned, "SET_ATTR net: `nftables`"},
    {"NETNF_CT", "netns-ct-#.img", 0, "", "", kSaved, kPlanned, "SET_ATTR net: `conntrack`"},
    {"NETNF_EXP", "netns-exp-#.img", 0, "", "", kSaved, kPlanned, "SET_ATTR net: `expectations`"},
    {"TMPFS_DEV", "tmpfs-dev-#.tar.gz.img", 0, "", "", kWholeFile, kPlanned, "SET_ATTR mounts: `content`"},
    {"AUTOFS", "autofs-#.img", 0x49353943, "autofs_entry", "", kNone, kUnsupported, "an autofs mount"},
    {"BINFMT_MISC", "binfmt-misc.img", 0x67343323, "binfmt_misc_entry", "binfmt_misc_entry", kNone, kUnsupported, "a binfmt_misc registration"},
    {"STATS", "stats-dump", 0x57093306, "stats_entry", "", kNone, kNotNeeded, "figures of the dump itself"},
    {"STATS", "stats-restore", 0x57093306, "stats_entry", "", kNone, kNotNeeded, "figures of the dump itself"},
    {"IRMAP_CACHE", "irmap-cache", 0x57004059, "irmap_cache_entry", "irmap_cache_entry", kNone, kNotNeeded, "a cache that speeds up further dumps"},
    {"CREDS", "creds-#.img", 0x54023547, "creds_entry", "", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"VMAS", "vmas-#.img", 0x54123737, "vma_entry", "vma_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"SIGACT", "sigacts-#.img", 0x55344201, "sa_entry", "sa_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"ITIMERS", "itimers-#.img", 0x57464056, "itimer_entry", "itimer_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"POSIX_TIMERS", "posix-timers-#.img", 0x52603957, "posix_timer_entry", "posix_timer_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"RLIMIT", "rlimit-#.img", 0x57113925, "rlimit_entry", "rlimit_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"SIGNAL", "signal-s-#.img", 0x59255647, "siginfo_entry", "siginfo_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"PSIGNAL", "signal-p-#.img", 0x59255647, "siginfo_entry", "siginfo_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"REG_FILES", "reg-files.img", 0x50363636, "reg_file_entry", "reg_file_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"EXT_FILES", "ext-files.img", 0x59255641, "ext_file_entry", "ext_file_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"NS_FILES", "ns-files.img", 0x61394011, "ns_file_entry", "ns_file_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"EVENTFD_FILE", "eventfd.img", 0x44523722, "eventfd_file_entry", "eventfd_file_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"EVENTPOLL_FILE", "eventpoll.img", 0x45023858, "eventpoll_file_entry", "eventpoll_file_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"EVENTPOLL_TFD", "eventpoll-tfd.img", 0x44433746, "eventpoll_tfd_entry", "eventpoll_tfd_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"SIGNALFD", "signalfd.img", 0x57323820, "signalfd_entry", "signalfd_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"INOTIFY_FILE", "inotify.img", 0x48424431, "inotify_file_entry", "inotify_file_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"INOTIFY_WD", "inotify-wd.img", 0x54562009, "inotify_wd_entry", "inotify_wd_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"FANOTIFY_FILE", "fanotify.img", 0x55096122, "fanotify_file_entry", "fanotify_file_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"FANOTIFY_MARK", "fanotify-mark.img", 0x56506035, "fanotify_mark_entry", "fanotify_mark_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"PIPES", "pipes.img", 0x56513555, "pipe_entry", "pipe_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"FIFO", "fifo.img", 0x58364939, "fifo_entry", "fifo_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"UNIXSK", "unixsk.img", 0x54373943, "unix_sk_entry", "unix_sk_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"INETSK", "inetsk.img", 0x56443851, "inet_sk_entry", "inet_sk_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"PACKETSK", "packetsk.img", 0x60454618, "packet_sock_entry", "packet_sock_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"NETLINK_SK", "netlinksk.img", 0x58005614, "netlink_sk_entry", "netlink_sk_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"TTY_FILES", "tty.img", 0x59433025, "tty_file_entry", "tty_file_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"TUNFILE", "tunfile.img", 0x57143751, "tunfile_entry", "tunfile_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"TIMERFD", "timerfd.img", 0x50493712, "timerfd_entry", "timerfd_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"BPFMAP_FILE", "bpfmap-file.img", 0x57506142, "bpfmap_file_entry", "bpfmap_file_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"PIDFD", "pidfd.img", 0x54435556, "pidfd_entry", "pidfd_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"BINFMT_MISC_OLD", "binfmt-misc-#.img", 0x67343323, "binfmt_misc_entry", "binfmt_misc_entry", kNone, kUnsupported, "an image of a CRIU before 3.17"},
    {"SHM_PAGES_OLD", "pages-shmem-#.img", 0, "", "", kWholeFile, kUnsupported, "an image of a CRIU before 3.17"},
    {"TMPFS_IMG", "tmpfs-#.tar.gz.img", 0, "", "", kWholeFile, kUnsupported, "the content of a tmpfs"},
};
// clang-format on

constexpr std::string_view kFieldsNotNeeded =
    "\n## Fields that a restore does not need\n\n"
    "| field | why |\n|---|---|\n"
    "| `inventory_entry.dump_uptime`, `pre_dump_mode`, "
    "`allow_uprobes` | about the dump itself |\n"
    "| `task_core_entry.flags` | the kernel's own state of the task (PF_ flags) |\n"
    "| `task_core_entry.blk_sigset_extended`, `thread_core_entry.blk_sigset_extended`, "
    "`sa_entry.mask_extended` | MIPS only |\n"
    "| `sa_entry.compat_sigaction` | of 32-bit tasks, which are refused by name |\n"
    "| `vma_entry.fd` | always -1 |\n"
    "| status bit HEAP of `vma_entry` | the kernel's label; follows from `mm_brk` |\n"
    "| `aio_ring_entry.ring_len` | follows from `nr_req` |\n"
    "| `bpfmap_file_entry.memlock` | the kernel's own reckoning of the map's memory |\n"
    "| pages of vdso and vvar | the kernel provides them |\n"
    "| `reg_file_entry.checksum` and its parameters | a check of the file beside size, mode and "
    "build id |\n"
    "| `eventpoll_tfd_entry.id`, `dev`, `pos` | how the dumper found the descriptor of a "
    "target |\n"
    "| `inotify_wd_entry.id`, `ignored_mask`, `fanotify_mark_entry.id`, "
    "`fanotify_mount_mark_entry.mnt_id`, `fh_entry.mnt_id` | numbers of the kernel or the dumper "
    "|\n"
    "| `reg_file_entry.mnt_id` | checked: the path has to lead to that mount; where there are "
    "several mount namespaces, `mount` |\n"
    "| `unix_sk_entry.mnt_id` | tells below which root the name was bound (`name_root`), and "
    "whether "
    "mounts hide it; where they do, or there are several mount namespaces, `mount` |\n"
    "| `unix_sk_entry.backlog` of what does not listen | bytes that it has sent, which the "
    "receiver's queue has |\n"
    "| `unix_sk_entry.file_perms` of an unlinked name | of whatever else has the name |\n"
    "| REG entries of `files.img` that no descriptor refers to | paths of FIFOs and terminals |\n";

/// Matches `pattern` against all of `name`; a number may not have a sign or leading zeros.
bool Matches(std::string_view pattern, std::string_view name, std::uint64_t* number) {
  const std::size_t hole = pattern.find_first_of("#%");
  if (hole == std::string_view::npos) return pattern == name;
  const std::string_view head = pattern.substr(0, hole), tail = pattern.substr(hole + 1);
  if (name.size() <= head.size() + tail.size() || !name.starts_with(head) ||
      !name.ends_with(tail)) {
    return false;
  }
  const std::string_view digits = name.substr(head.size(), name.size() - head.size() - tail.size());
  const int base = pattern[hole] == '#' ? 10 : 16;
  if (digits.size() > 1 && digits[0] == '0') return false;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *number, base);
  return error == std::errc() && end == digits.data() + digits.size();
}

std::string_view TreatmentName(Treatment treatment) {
  switch (treatment) {
    case Treatment::kPlanned:
      return "planned";
    case Treatment::kNotNeeded:
      return "not needed";
    case Treatment::kUnsupported:
      return "unsupported";
  }
  std::abort();
}

}  // namespace

std::span<const ImageKind> ImageKinds() { return kKinds; }

const ImageKind* FindImageKind(std::string_view file_name, std::uint64_t* number) {
  *number = 0;
  for (const ImageKind& kind : kKinds) {
    if (Matches(kind.pattern, file_name, number)) return &kind;
  }
  return nullptr;
}

const ImageKind& ImageKindNamed(std::string_view name) {
  for (const ImageKind& kind : kKinds) {
    if (kind.name == name) return kind;
  }
  std::abort();
}

std::string ImageReference() {
  std::string text =
      "# What becomes of every image\n\n"
      "Generated from `images/image_table.cc`. `#` stands for a decimal number, `%` for a\n"
      "hexadecimal one. *planned*: its entries are in the program, or refused one by one, by "
      "name.\n"
      "*not needed*: a restore does without it, for the reason given. *unsupported*: no command\n"
      "says it yet; `crgen` refuses the dump and lists every entry (with `--partial` it plans the\n"
      "rest). Other files that match no row are no images and are left alone.\n\n"
      "| image | entries | | |\n|---|---|---|---|\n";
  for (const ImageKind& kind : kKinds) {
    text += "| `" + std::string(kind.pattern) + "` | " +
            (kind.entry.empty() ? "raw" : std::string(kind.entry)) +
            (kind.following.empty() || kind.following == kind.entry
                 ? ""
                 : ", " + std::string(kind.following)) +
            " | " + std::string(TreatmentName(kind.treatment)) + " | " + std::string(kind.note) +
            " |\n";
  }
  text += kFieldsNotNeeded;
  text += UnknownFieldsReference();
  return text;
}

}  // namespace crgen
