// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image_builder.h"

#include <algorithm>
#include <cstring>

namespace crgen::test {

void FillRequired(google::protobuf::Message* message) {
  using google::protobuf::FieldDescriptor;
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->field(i);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (field->is_repeated()) {
        for (int n = 0; n < reflection->FieldSize(*message, field); ++n) {
          FillRequired(reflection->MutableRepeatedMessage(message, field, n));
        }
      } else if (field->is_required() || reflection->HasField(*message, field)) {
        FillRequired(reflection->MutableMessage(message, field));
      }
      continue;
    }
    if (!field->is_required() || reflection->HasField(*message, field)) continue;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        reflection->SetUInt32(message, field, field->default_value_uint32());
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection->SetUInt64(message, field, 0);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        reflection->SetInt32(message, field, 0);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection->SetInt64(message, field, 0);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection->SetBool(message, field, field->default_value_bool());
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection->SetString(message, field, "");
        break;
      default:
        ADD_FAILURE() << field->full_name() << " has a type that is not filled";
    }
  }
}

void AppendWord(std::uint32_t word, std::string* out) {
  out->append(reinterpret_cast<const char*>(&word), sizeof word);
}

std::string MagicsOf(std::string_view kind_name) {
  const ImageKind& kind = ImageKindNamed(kind_name);
  std::string out;
  if (kind_name != "INVENTORY") AppendWord(kCommonMagic, &out);
  AppendWord(kind.magic, &out);
  return out;
}

void AppendEntry(std::string_view bytes, std::string* out) {
  AppendWord(static_cast<std::uint32_t>(bytes.size()), out);
  out->append(bytes);
}

std::string BytesOf(const google::protobuf::Message& message) {
  std::unique_ptr<google::protobuf::Message> full(message.New());
  full->CopyFrom(message);
  FillRequired(full.get());
  return full->SerializeAsString();
}

std::string ImageOf(std::string_view kind_name, const google::protobuf::Message& message) {
  std::string out = MagicsOf(kind_name);
  AppendEntry(BytesOf(message), &out);
  return out;
}

std::string NameOf(std::string_view head, std::uint64_t number) {
  return std::string(head) + std::to_string(number) + ".img";
}

pb::pagemap_entry PagesAt(std::uint64_t start, std::uint64_t pages, std::uint32_t flags) {
  pb::pagemap_entry run;
  run.set_vaddr(start);
  run.set_nr_pages(pages);
  run.set_flags(flags);
  return run;
}

Dump::Dump() {
  inventory.set_img_version(2);
  inventory.set_fdinfo_per_id(true);
  inventory.set_root_cg_set(1);
  AddFile(1, "/bin/program");
  AddFile(2, "/");
  AddFile(3, "/dev/null");
  AddProcess(10, 0);
}

void Dump::AddProcess(std::uint32_t pid, std::uint32_t ppid) {
  AddNode(pid, ppid, pid);
  pb::core_entry& core = cores[pid];
  core.set_mtype(pb::MARCH_X86_64);
  FillThread(&core);
  core.mutable_tc()->set_task_state(1);
  core.mutable_tc()->set_comm("program");
  for (int i = 0; i < 62; ++i) core.mutable_tc()->add_sigactions();
  for (int i = 0; i < 16; ++i) {
    pb::rlimit_entry& limit = *core.mutable_tc()->mutable_rlimits()->add_rlimits();
    limit.set_cur(1);
    limit.set_max(2);
  }
  for (auto set : {&pb::task_kobj_ids_entry::set_vm_id, &pb::task_kobj_ids_entry::set_files_id,
                   &pb::task_kobj_ids_entry::set_fs_id, &pb::task_kobj_ids_entry::set_sighand_id}) {
    (ids[pid].*set)(pid);
  }
  fs[pid].set_cwd_id(2);
  fs[pid].set_root_id(2);
  fs[pid].set_umask(022);
  AddDescriptor(pid, 0, 3);
  mms[pid].set_exe_file_id(1);
  mms[pid].set_dumpable(1);
  constexpr std::uint64_t kBounds = 0x10000;
  for (auto set :
       {&pb::mm_entry::set_mm_start_code, &pb::mm_entry::set_mm_end_code,
        &pb::mm_entry::set_mm_start_data, &pb::mm_entry::set_mm_end_data,
        &pb::mm_entry::set_mm_start_stack, &pb::mm_entry::set_mm_start_brk,
        &pb::mm_entry::set_mm_brk, &pb::mm_entry::set_mm_arg_start, &pb::mm_entry::set_mm_arg_end,
        &pb::mm_entry::set_mm_env_start, &pb::mm_entry::set_mm_env_end}) {
    (mms[pid].*set)(kBounds);
  }
  mms[pid].set_mm_end_code(kBounds + 1);
  AddArea(pid, 0x10000, 2, kRegular | kAnonPrivate);
  pagemaps[NameOf("pagemap-", pid)] = {pid, {PagesAt(0x10000, 2)}};
}

void Dump::AddThread(std::uint32_t pid, std::uint32_t tid) {
  Node(pid).add_threads(tid);
  pb::core_entry& core = cores[tid];
  core.set_mtype(pb::MARCH_X86_64);
  FillThread(&core);
}

void Dump::AddZombie(std::uint32_t pid, std::uint32_t ppid, std::uint32_t status) {
  AddNode(pid, ppid, 0);
  cores[pid].set_mtype(pb::MARCH_X86_64);
  cores[pid].mutable_tc()->set_task_state(2);
  cores[pid].mutable_tc()->set_exit_code(status);
}

pb::file_entry& Dump::AddFile(std::uint32_t id, const std::string& path) {
  pb::file_entry& file = files.emplace_back();
  file.set_type(pb::FD_REG);
  file.set_id(id);
  file.mutable_reg()->set_id(id);
  file.mutable_reg()->set_name(path);
  return file;
}

pb::file_entry& Dump::AddOther(std::uint32_t id, std::uint32_t type) {
  pb::file_entry& file = files.emplace_back();
  file.set_type(type);
  file.set_id(id);
  return file;
}

pb::memfd_inode_entry& Dump::AddMemfd(std::uint32_t id, std::uint32_t inode, std::uint32_t shmid,
                                      const std::string& name, std::uint64_t pages) {
  pb::file_entry& file = AddOther(id, pb::FD_MEMFD);
  file.mutable_memfd()->set_id(id);
  file.mutable_memfd()->set_inode_id(inode);
  file.mutable_memfd()->set_flags(2);
  pb::memfd_inode_entry& object = memfds.emplace_back();
  object.set_inode_id(inode);
  object.set_shmid(shmid);
  object.set_name(name);
  object.set_size(pages * kPage);
  object.set_seals(1);
  return object;
}

void Dump::AddQueue(const std::string& kind, std::uint32_t pipe, std::uint32_t bytes,
                    std::optional<std::uint32_t> capacity) {
  pb::pipe_data_entry entry;
  entry.set_pipe_id(pipe);
  entry.set_bytes(bytes);
  if (capacity) entry.set_size(*capacity);
  std::string& queue = queues[kind];
  AppendEntry(BytesOf(entry), &queue);
  queue.append(bytes, 'x');
}

pb::fdinfo_entry& Dump::AddDescriptor(std::uint32_t table, std::uint32_t fd, std::uint32_t file,
                                      std::uint32_t type) {
  pb::fdinfo_entry& entry = tables[table].emplace_back();
  entry.set_fd(fd);
  entry.set_id(file);
  entry.set_type(type);
  return entry;
}

pb::vma_entry& Dump::AddArea(std::uint32_t pid, std::uint64_t start, std::uint64_t pages,
                             std::uint32_t status) {
  pb::vma_entry& area = *mms[pid].add_vmas();
  area.set_start(start);
  area.set_end(start + pages * kPage);
  area.set_status(status);
  area.set_prot(kReadWrite);
  const bool shared = (status & (kFileShared | kAnonShared | kSocket)) != 0;
  const bool anonymous = (status & (kAnonPrivate | kAnonShared)) != 0;
  area.set_flags((shared ? kMapShared : kMapPrivate) | (anonymous ? kMapAnonymous : 0));
  area.set_fd(-1);
  return area;
}

pb::pstree_entry& Dump::Node(std::uint32_t pid) {
  return *std::find_if(tree.begin(), tree.end(),
                       [&](const pb::pstree_entry& node) { return node.pid() == pid; });
}

Files Dump::Build() const {
  Files out;
  out["inventory.img"] = ImageOf("INVENTORY", inventory);
  out["pstree.img"] = ImageOfAll("PSTREE", tree);
  for (const auto& [pid, core] : cores) out[NameOf("core-", pid)] = ImageOf("CORE", core);
  for (const auto& [pid, entry] : ids) out[NameOf("ids-", pid)] = ImageOf("IDS", entry);
  for (const auto& [pid, entry] : mms) out[NameOf("mm-", pid)] = ImageOf("MM", entry);
  for (const auto& [pid, entry] : fs) out[NameOf("fs-", pid)] = ImageOf("FS", entry);
  for (const auto& [id, table] : tables) {
    if (!table.empty()) out[NameOf("fdinfo-", id)] = ImageOfAll("FDINFO", table);
  }
  out["files.img"] = ImageOfAll("FILES", files);
  if (!memfds.empty()) out["memfd.img"] = ImageOfAll("MEMFD_INODE", memfds);
  if (!remaps.empty()) out["remap-fpath.img"] = ImageOfAll("REMAP_FPATH", remaps);
  for (const auto& [kind, queue] : queues) {
    out[std::string(ImageKindNamed(kind).pattern)] = MagicsOf(kind) + queue;
  }
  for (const auto& [number, ghost] : ghosts) {
    std::string name = HexText(number).substr(2);
    name = "ghost-file-" + name + ".img";
    out[name] = ImageOf("GHOST_FILE", ghost.entry) + ghost.rest;
  }
  for (const auto& [id, entry] : pids) out[NameOf("pidns-", id)] = ImageOf("PIDNS", entry);
  for (const auto& [id, entry] : uts) out[NameOf("utsns-", id)] = ImageOf("UTSNS", entry);
  for (const auto& [id, entry] : users) out[NameOf("userns-", id)] = ImageOf("USERNS", entry);
  for (const auto& [id, entry] : ipcs) out[NameOf("ipcns-var-", id)] = ImageOf("IPC_VAR", entry);
  for (const auto& [id, entry] : nets) out[NameOf("netns-", id)] = ImageOf("NETNS", entry);
  for (const auto& [id, all] : devices) out[NameOf("netdev-", id)] = ImageOfAll("NETDEV", all);
  for (const auto& [id, all] : mounts) out[NameOf("mountpoints-", id)] = ImageOfAll("MNTS", all);
  if (!locks.empty()) out["filelocks.img"] = ImageOfAll("FILE_LOCKS", locks);
  if (!terminals.empty()) out["tty-info.img"] = ImageOfAll("TTY_INFO", terminals);
  if (!unread.empty()) out["tty-data.img"] = ImageOfAll("TTY_DATA", unread);
  if (seccomp) out["seccomp.img"] = ImageOf("SECCOMP", *seccomp);
  if (cgroup) out["cgroup.img"] = ImageOf("CGROUP", *cgroup);
  for (const auto& [name, pagemap] : pagemaps) AddPagemap(name, pagemap, &out);
  for (const auto& edit : edits) edit(out);
  return out;
}

void Dump::AddNode(std::uint32_t pid, std::uint32_t ppid, std::uint32_t thread) {
  pb::pstree_entry& node = tree.emplace_back();
  node.set_pid(pid);
  node.set_ppid(ppid);
  node.set_pgid(10);
  node.set_sid(10);
  node.add_threads(thread);
}

void Dump::FillThread(pb::core_entry* core) {
  core->mutable_thread_info()->mutable_gpregs()->set_cs(0x33);
  core->mutable_thread_info()->mutable_gpregs()->set_ss(0x2b);
  core->mutable_thread_core()->mutable_creds()->set_uid(1000);
}

void Dump::AddPagemap(const std::string& name, const Pagemap& pagemap, Files* out) {
  pb::pagemap_head head;
  head.set_pages_id(pagemap.pages_id);
  std::string& image = (*out)[name] = MagicsOf("PAGEMAP");
  AppendEntry(BytesOf(head), &image);
  std::string pages;
  for (const pb::pagemap_entry& run : pagemap.runs) {
    AppendEntry(BytesOf(run), &image);
    const bool present = !run.in_parent() && (!run.has_flags() || (run.flags() & kPresent) != 0);
    if (!present) continue;
    const std::uint64_t count = run.has_nr_pages() ? run.nr_pages() : run.compat_nr_pages();
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, 1000); ++i) {
      std::string page(kPage, '\0');
      page[0] = static_cast<char>('a' + pages.size() / kPage);
      pages += page;
    }
  }
  const std::string folder = name.substr(0, name.rfind('/') + 1);
  if (!pages.empty()) (*out)[folder + NameOf("pages-", pagemap.pages_id)] = std::move(pages);
}

Loaded Load(ImageSource& source) {
  Loaded loaded;
  loaded.result = LoadDump(source, &loaded.snapshot, loaded.diag);
  return loaded;
}

void RunCases(const std::vector<DumpCase>& cases) {
  for (const DumpCase& test : cases) {
    Dump dump;
    test.change(dump);
    const Loaded loaded = Load(dump);
    EXPECT_EQ(GradedLines(loaded.diag), test.expected) << test.name;
    EXPECT_EQ(Failed(loaded.result), loaded.diag.HasErrors()) << test.name;
  }
}

std::vector<Numbers> RunsOf(const std::vector<PageRun>& runs) {
  std::vector<Numbers> out;
  for (const PageRun& run : runs) out.push_back({run.start, run.nr_pages, run.image_offset});
  return out;
}

std::vector<Numbers> PagesOf(const Snapshot& snapshot, std::size_t process) {
  return RunsOf(snapshot.processes[process].memory.pages);
}

Snapshot LoadGood(const Dump& dump) {
  Loaded loaded = Load(dump);
  EXPECT_EQ(GradedLines(loaded.diag), std::vector<std::string>());
  return std::move(loaded.snapshot);
}

std::function<void(Files&)> Drop(std::string name) {
  return [=](Files& files) { files.erase(name); };
}

std::function<void(Files&)> CutTo(std::string name, std::size_t size) {
  return [=](Files& files) { files.at(name).resize(size); };
}

std::function<void(Files&)> CutBy(std::string name, std::size_t bytes) {
  return [=](Files& files) { files.at(name).resize(files.at(name).size() - bytes); };
}

std::function<void(Files&)> Put(std::string name, std::string content) {
  return [=](Files& files) { files[name] = content; };
}

std::function<void(Files&)> Append(std::string name, std::string bytes) {
  return [=](Files& files) { files.at(name) += bytes; };
}

std::function<void(Files&)> Word(std::string name, std::size_t at, std::uint32_t word) {
  return [=](Files& files) { std::memcpy(files.at(name).data() + at, &word, sizeof word); };
}

std::string Entry(std::string_view bytes) {
  std::string out;
  AppendEntry(bytes, &out);
  return out;
}

}  // namespace crgen::test
