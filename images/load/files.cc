// files.img, remap-fpath.img, fdinfo-<files_id>.img, fs-<pid>.img, ids-<pid>.img.
#include <algorithm>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint64_t kNoSeek = ~std::uint64_t{0};
constexpr std::uint32_t kCloexec = 1;  // fdinfo_entry.flags
constexpr std::uint64_t kAccessMode = 3, kIoctlOnly = 3;
constexpr std::uint64_t kOpenCloexec = 0x80000;  // never part of a description's flags
// O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC: do_dentry_open() takes them off.
constexpr std::uint64_t kOpeningOnly = 0x40 | 0x80 | 0x100 | 0x200;

std::optional<FileOwner> OwnerOf(const pb::fown_entry& from) {
  if (from.pid() == 0 && from.signum() == 0) return std::nullopt;
  return FileOwner{
      {from.pid_type()}, static_cast<Pid>(from.pid()), {from.signum()}, from.uid(), from.euid()};
}

RegularFile RegularOf(const pb::reg_file_entry& from) {
  RegularFile to;
  to.path.bytes = from.name();
  to.flags.bits = from.flags() & ~kOpenCloexec;
  if (from.pos() != kNoSeek) to.pos = from.pos();
  if (from.has_size()) to.size = from.size();
  if (from.has_mode()) to.mode = from.mode();
  to.owner = OwnerOf(from.fown());
  if (from.build_id_size() != 0) {
    to.build_id.emplace();
    for (std::uint32_t word : from.build_id()) {  // the ELF note, four bytes at a time
      for (int shift = 0; shift < 32; shift += 8) {
        to.build_id->bytes.push_back(static_cast<char>(word >> shift));
      }
    }
  }
  return to;
}

Memfd MemfdOf(const pb::memfd_file_entry& from) {
  Memfd to;
  to.inode_id = from.inode_id();
  to.flags.bits = from.flags() & ~kOpenCloexec;
  if (from.pos() != kNoSeek) to.pos = from.pos();
  to.owner = OwnerOf(from.fown());
  return to;
}

OpenFlags FlagsOf(const File& file) {
  const auto* memfd = std::get_if<Memfd>(&file.body);
  return memfd != nullptr ? memfd->flags : std::get<RegularFile>(file.body).flags;
}

constexpr std::string_view kRemapNames[] = {"a hard link left by the dumper stands for it",
                                            "it is unlinked", "it belonged to a dead process"};

struct NamespaceId {
  std::string_view name;
  std::string_view field;
  bool (pb::task_kobj_ids_entry::*has)() const;
  std::uint32_t (pb::task_kobj_ids_entry::*get)() const;
};
constexpr NamespaceId kNamespaces[] = {
    {"a pid", "pid_ns_id", &pb::task_kobj_ids_entry::has_pid_ns_id,
     &pb::task_kobj_ids_entry::pid_ns_id},
    {"a network", "net_ns_id", &pb::task_kobj_ids_entry::has_net_ns_id,
     &pb::task_kobj_ids_entry::net_ns_id},
    {"an IPC", "ipc_ns_id", &pb::task_kobj_ids_entry::has_ipc_ns_id,
     &pb::task_kobj_ids_entry::ipc_ns_id},
    {"a UTS", "uts_ns_id", &pb::task_kobj_ids_entry::has_uts_ns_id,
     &pb::task_kobj_ids_entry::uts_ns_id},
    {"a mount", "mnt_ns_id", &pb::task_kobj_ids_entry::has_mnt_ns_id,
     &pb::task_kobj_ids_entry::mnt_ns_id},
    {"a user", "user_ns_id", &pb::task_kobj_ids_entry::has_user_ns_id,
     &pb::task_kobj_ids_entry::user_ns_id},
    {"a cgroup", "cgroup_ns_id", &pb::task_kobj_ids_entry::has_cgroup_ns_id,
     &pb::task_kobj_ids_entry::cgroup_ns_id},
    {"a time", "time_ns_id", &pb::task_kobj_ids_entry::has_time_ns_id,
     &pb::task_kobj_ids_entry::time_ns_id},
};

}  // namespace

std::string TypeName(std::uint32_t type) {
  return type < std::size(kFileTypes) ? std::string(kFileTypes[type])
                                      : "type " + std::to_string(type);
}

void Loader::LoadRemaps() {
  const ImageKind& kind = ImageKindNamed("REMAP_FPATH");
  if (!images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(images.Open(kind, 0, &reader, diag))) return;
  pb::remap_file_path_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    if (Failed(ParseMessage(bytes, reader, &entry, diag))) continue;
    remaps.emplace(entry.orig_id(), Remap{reader.Where(), entry.remap_type()});
  }
}

void Loader::LoadFiles() {
  LoadRemaps();
  const ImageKind& kind = ImageKindNamed("FILES");
  if (!images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(images.Open(kind, 0, &reader, diag))) return;
  pb::file_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    if (Failed(ParseMessage(bytes, reader, &entry, diag))) continue;
    CheckFile(entry, reader, diag);
    AddFile(entry, reader);
  }
  for (const auto& [id, remap] : remaps) {
    if (!files.contains(id)) {
      (void)diag.Error(remap.where + ".orig_id", "no file " + std::to_string(id) + " in files.img");
    }
  }
}

void Loader::AddFile(const pb::file_entry& entry, const ImageReader& at) {
  FileEntry known;
  known.type = entry.type();
  snapshot.highest_file_id = std::max<std::uint64_t>(snapshot.highest_file_id, entry.id());
  auto file = std::make_shared<File>();
  file->id.value = entry.id();
  std::uint32_t body_id = entry.id();
  std::string unsupported;
  if (entry.type() == pb::FD_REG && entry.has_reg()) {
    body_id = entry.reg().id();
    auto remap = remaps.find(entry.id());
    if (entry.reg().ext()) {
      unsupported =
          "external file " + entry.reg().name() + ", which the caller of a restore hands over";
    } else if (remap != remaps.end()) {
      const std::uint32_t type = remap->second.type;
      unsupported =
          "file " + entry.reg().name() + " is not reachable by its name: " +
          std::string(type < std::size(kRemapNames) ? kRemapNames[type] : "it is remapped");
    } else if (!entry.reg().name().starts_with('/')) {
      (void)diag.Error(at.Where("reg.name"), "\"" + entry.reg().name() + "\" is no absolute path");
      return;
    } else if (entry.reg().name().find('\0') != std::string::npos) {
      (void)diag.Error(at.Where("reg.name"), "contains a NUL");
      return;
    }
    file->body = RegularOf(entry.reg());
  } else if (entry.type() == pb::FD_MEMFD && entry.has_memfd()) {
    body_id = entry.memfd().id();
    auto object = memfds.find(entry.memfd().inode_id());
    if (object == memfds.end()) {
      (void)diag.Error(at.Where("memfd.inode_id"),
                       "no object " + std::to_string(entry.memfd().inode_id()) + " in memfd.img");
      return;
    }
    known.memfd = object->second;
    file->body = MemfdOf(entry.memfd());
  } else if (entry.type() == pb::FD_REG || entry.type() == pb::FD_MEMFD) {
    (void)diag.Error(at.Where(), "type " + TypeName(entry.type()) + " without its message");
    return;
  } else {
    unsupported = "descriptor of type " + TypeName(entry.type());
  }
  if ((FlagsOf(*file).bits & kOpeningOnly) != 0) {
    (void)diag.Error(at.Where(), "flags " + HexText(FlagsOf(*file).bits) +
                                     " hold some that no open description has");
    return;
  }
  if (unsupported.empty() && (FlagsOf(*file).bits & kAccessMode) == kIoctlOnly) {
    unsupported = "file opened with access mode 3, for ioctl(2) alone";
  }
  if (body_id != entry.id()) {
    (void)diag.Error(at.Where(), "id " + std::to_string(entry.id()) + " but its message has id " +
                                     std::to_string(body_id));
    return;
  }
  if (unsupported.empty()) {
    known.file = static_cast<std::int32_t>(snapshot.files.size());
  } else {
    known.unsupported_at = at.Where();
    known.unsupported = std::move(unsupported);
  }
  if (!files.emplace(entry.id(), std::move(known)).second) {
    (void)diag.Error(at.Where("id"), "file " + std::to_string(entry.id()) + " stands twice");
    return;
  }
  if (known.file >= 0) snapshot.files.push_back(std::move(file));
}

bool Loader::RegularPath(std::uint32_t id, const std::string& where, Text* path,
                         std::int32_t* file) {
  const FileEntry* entry = FindFile(id, [&] { return where; });
  if (entry == nullptr) return false;
  if (entry->type != pb::FD_REG) {
    (void)diag.Error(
        where, "file " + std::to_string(id) + " is a " + TypeName(entry->type) + ", expected REG");
    return false;
  }
  if (entry->file < 0) {
    diag.Unsupported(where, entry->unsupported);
    return false;
  }
  *path = std::get<RegularFile>(snapshot.files[entry->file]->body).path;
  if (file != nullptr) *file = entry->file;
  return true;
}

void Loader::LoadIds(std::int32_t index) {
  const TreeNode& node = snapshot.tree.nodes[index];
  pb::task_kobj_ids_entry& own = ids[index];
  const ImageKind& kind = ImageKindNamed("IDS");
  if (Failed(images.ReadSingle(kind, static_cast<std::uint64_t>(node.pid), &own, diag))) return;
  const std::string where = ImageSet::NameOf(kind, static_cast<std::uint64_t>(node.pid)) + "[0]";
  auto unique = [&](std::unordered_map<std::uint64_t, Pid>& users, std::uint32_t id,
                    std::string_view field) {
    auto [user, added] = users.emplace(id, node.pid);
    if (!added) {
      (void)diag.Error(where + "." + std::string(field),
                       std::to_string(id) + " is pid " + std::to_string(user->second) +
                           "'s too; no dump shares it between processes");
    }
  };
  unique(vm_ids, own.vm_id(), "vm_id");
  unique(fs_ids, own.fs_id(), "fs_id");
  unique(sighand_ids, own.sighand_id(), "sighand_id");
  CheckNamespaces(index, where);
  LoadDescriptorTable(index, own.files_id());
}

void Loader::CheckNamespaces(std::int32_t index, const std::string& where) {
  const pb::task_kobj_ids_entry& own = ids[index];
  const bool root = index == 0;
  const pb::task_kobj_ids_entry& base = root ? inventory.root_ids() : ids[0];
  if (root && !inventory.has_root_ids()) return;
  for (const NamespaceId& ns : kNamespaces) {
    if (!(own.*ns.has)() || !(base.*ns.has)() || (own.*ns.get)() == (base.*ns.get)()) continue;
    if (root && ns.field == "pid_ns_id" && snapshot.tree.nodes[0].pid == 1) {
      snapshot.new_pid_namespace = true;
    } else {
      diag.Unsupported(where + "." + std::string(ns.field),
                       std::string(ns.name) + (root ? " namespace of the tree's own"
                                                    : " namespace that is not the root's"));
    }
  }
}

void Loader::LoadDescriptorTable(std::int32_t index, std::uint32_t files_id) {
  const TreeNode& node = snapshot.tree.nodes[index];
  auto [known, added] = tables.emplace(files_id, static_cast<std::int32_t>(snapshot.tables.size()));
  snapshot.processes[index].table = known->second;
  if (!added) {
    if (node.parent < 0 || snapshot.processes[node.parent].table != known->second) {
      (void)diag.Error(
          "ids-" + std::to_string(node.pid) + ".img[0].files_id",
          std::to_string(files_id) + " is shared with a process that is not the parent");
    }
    return;
  }
  snapshot.tables.emplace_back();
  const ImageKind& kind = ImageKindNamed("FDINFO");
  if (!images.Has(kind, files_id)) return;  // an empty table has no image
  ImageReader reader{"", ""};
  if (Failed(images.Open(kind, files_id, &reader, diag))) return;
  std::vector<Descriptor>& slots = snapshot.tables.back().slots;
  pb::fdinfo_entry& entry = fdinfo;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    if (Failed(ParseMessage(bytes, reader, &entry, diag))) continue;
    AddDescriptor(entry, reader, node.pid, &slots);
  }
  std::sort(slots.begin(), slots.end(),
            [](const Descriptor& a, const Descriptor& b) { return a.fd < b.fd; });
  for (std::size_t i = 1; i < slots.size(); ++i) {
    if (slots[i].fd == slots[i - 1].fd) {
      (void)diag.Error(ImageSet::NameOf(kind, files_id),
                       "fd " + std::to_string(slots[i].fd) + " stands twice");
    }
  }
}

void Loader::AddDescriptor(const pb::fdinfo_entry& entry, const ImageReader& at, Pid pid,
                           std::vector<Descriptor>* slots) {
  if (entry.fd() >= static_cast<std::uint32_t>(kFdLimit)) {
    (void)diag.Error(at.Where("fd"), std::to_string(entry.fd()) + " is no descriptor number");
    return;
  }
  auto found = files.find(entry.id());
  if (found == files.end()) {
    (void)diag.Error(at.Where("id"), "no file " + std::to_string(entry.id()) +
                                         " in files.img (fd " + std::to_string(entry.fd()) +
                                         " of pid " + std::to_string(pid) + ")");
    return;
  }
  FileEntry& file = found->second;
  if (file.type != entry.type()) {
    (void)diag.Error(at.Where("type"), TypeName(entry.type()) + ", but file " +
                                           std::to_string(entry.id()) + " is " +
                                           TypeName(file.type));
    return;
  }
  if (entry.has_xattr_security_selinux()) {
    diag.Unsupported(at.Where("xattr_security_selinux"), "an SELinux label of a socket");
  }
  if (file.file < 0) {
    file.holders += (file.holders.empty() ? "fd " : ", fd ") + std::to_string(entry.fd()) +
                    " of pid " + std::to_string(pid);
    return;
  }
  slots->push_back({static_cast<Fd>(entry.fd()), (entry.flags() & kCloexec) != 0, file.file});
}

void Loader::LoadFs(std::int32_t index, Attributes* attributes) {
  const auto pid = static_cast<std::uint64_t>(snapshot.tree.nodes[index].pid);
  const ImageKind& kind = ImageKindNamed("FS");
  pb::fs_entry entry;
  if (Failed(images.ReadSingle(kind, pid, &entry, diag))) return;
  const std::string where = ImageSet::NameOf(kind, pid) + "[0]";
  CheckFs(entry, where, diag);
  FsAttributes fs;
  const bool cwd = RegularPath(entry.cwd_id(), where + ".cwd_id", &fs.cwd);
  const bool root = RegularPath(entry.root_id(), where + ".root_id", &fs.root);
  if (entry.has_umask()) fs.umask = entry.umask();
  if (cwd && root) attributes->fs = std::move(fs);
}

void Loader::ReportUnsupportedFiles() {
  for (const auto& [id, file] : files) {
    if (file.file >= 0 || file.unsupported.empty()) continue;
    diag.Unsupported(file.unsupported_at,
                     file.unsupported + ", file " + std::to_string(id) +
                         (file.holders.empty() ? "" : " (" + file.holders + ")"));
  }
}

}  // namespace crgen
