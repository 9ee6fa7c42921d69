// Writes a dump of N small processes: what a container host looks like to a reader of images.
// usage: make_dump FOLDER PROCESSES DESCRIPTORS
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "images/image_table.h"
#include "images/proto/core.pb.h"
#include "images/proto/files.pb.h"
#include "images/proto/inventory.pb.h"
#include "images/proto/memory.pb.h"
#include "images/proto/pstree.pb.h"

namespace {

using namespace crgen;

constexpr int kFirstPid = 100;
constexpr int kGroupSize = 32;  // workers below one leader
constexpr int kPagesEach = 4;

std::string folder;

void Append(std::string* out, std::uint32_t word) {
  out->append(reinterpret_cast<const char*>(&word), sizeof word);
}

/// One image file, written when it goes out of scope.
class Image {
 public:
  Image(std::string_view kind, std::uint64_t number) {
    const ImageKind& row = ImageKindNamed(kind);
    name_ = row.pattern;
    if (auto hole = name_.find('#'); hole != std::string::npos) {
      name_.replace(hole, 1, std::to_string(number));
    }
    if (kind != "INVENTORY") Append(&bytes_, kCommonMagic);
    Append(&bytes_, row.magic);
  }
  ~Image() { Write(name_, bytes_); }

  void Add(const google::protobuf::Message& message) {
    Append(&bytes_, static_cast<std::uint32_t>(message.ByteSizeLong()));
    message.AppendToString(&bytes_);
  }

  static void Write(const std::string& name, const std::string& bytes) {
    const std::string path = folder + "/" + name;
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      std::perror(path.c_str());
      std::exit(1);
    }
    close(fd);
  }

 private:
  std::string name_;
  std::string bytes_;
};

int ParentOf(int index) { return index == 0 ? -1 : (index - 1) / kGroupSize * kGroupSize; }
int LeaderOf(int index) { return index % kGroupSize == 0 ? index : ParentOf(index); }

void WriteTree(int processes) {
  Image image("PSTREE", 0);
  for (int i = 0; i < processes; ++i) {
    pb::pstree_entry entry;
    const int parent = i % kGroupSize == 0 && i > 0 ? 0 : ParentOf(i);
    entry.set_pid(kFirstPid + i);
    entry.set_ppid(parent < 0 ? 0 : kFirstPid + parent);
    entry.set_pgid(kFirstPid + LeaderOf(i));
    entry.set_sid(kFirstPid + LeaderOf(i));
    entry.add_threads(kFirstPid + i);
    image.Add(entry);
  }
}

pb::core_entry Core() {
  pb::core_entry core;
  core.set_mtype(1);
  auto& regs = *core.mutable_thread_info()->mutable_gpregs();
  const auto* reflection = regs.GetReflection();
  for (int i = 0; i < 27; ++i) {
    reflection->SetUInt64(&regs, regs.GetDescriptor()->field(i), 0x7f0000000000 + i);
  }
  core.mutable_thread_info()->set_clear_tid_addr(0x4ae2d0);
  auto& fpu = *core.mutable_thread_info()->mutable_fpregs();
  const auto* fpu_reflection = fpu.GetReflection();
  for (int i = 0; i < 8; ++i) {
    const auto* field = fpu.GetDescriptor()->field(i);
    if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_UINT32) {
      fpu_reflection->SetUInt32(&fpu, field, 0x1f80);
    } else {
      fpu_reflection->SetUInt64(&fpu, field, 0);
    }
  }
  for (int i = 0; i < 32; ++i) fpu.add_st_space(0);
  for (int i = 0; i < 64; ++i) fpu.add_xmm_space(i * 0x01010101);
  auto& task = *core.mutable_tc();
  task.set_task_state(1);
  task.set_exit_code(0);
  task.set_personality(0);
  task.set_flags(0);
  task.set_blk_sigset(0);
  task.set_comm("worker");
  for (int i = 0; i < 62; ++i) {
    auto& action = *task.add_sigactions();
    action.set_sigaction(i == 9 ? 0x401000 : 0);
    action.set_flags(0);
    action.set_restorer(0);
    action.set_mask(0);
  }
  for (int i = 0; i < 16; ++i) {
    auto& limit = *task.mutable_rlimits()->add_rlimits();
    limit.set_cur(~std::uint64_t{0});
    limit.set_max(~std::uint64_t{0});
  }
  core.mutable_thread_core()->set_futex_rla(0x4ae2e0);
  core.mutable_thread_core()->set_futex_rla_len(24);
  return core;
}

pb::file_entry File(std::uint32_t id, const std::string& path) {
  pb::file_entry file;
  file.set_type(pb::FD_REG);
  file.set_id(id);
  auto& reg = *file.mutable_reg();
  reg.set_id(id);
  reg.set_flags(0x8002);
  reg.set_pos(id);
  reg.set_name(path);
  auto& owner = *reg.mutable_fown();
  owner.set_uid(0);
  owner.set_euid(0);
  owner.set_signum(0);
  owner.set_pid_type(0);
  owner.set_pid(0);
  return file;
}

void AddVma(pb::mm_entry* mm, std::uint64_t start, std::uint64_t pages, std::uint32_t prot,
            std::uint32_t status, std::uint64_t file) {
  auto& vma = *mm->add_vmas();
  vma.set_start(start);
  vma.set_end(start + pages * 4096);
  vma.set_pgoff(0);
  vma.set_shmid(file);
  vma.set_prot(prot);
  vma.set_flags(file == 0 ? 0x22 : 0x2);
  vma.set_status(status);
  vma.set_fd(-1);
}

void WriteProcess(int index, int descriptors) {
  const std::uint64_t pid = kFirstPid + index;
  static const pb::core_entry core = Core();
  Image("CORE", pid).Add(core);

  pb::task_kobj_ids_entry ids;
  ids.set_vm_id(index + 2);
  ids.set_files_id(index + 2);
  ids.set_fs_id(index + 2);
  ids.set_sighand_id(index + 2);
  Image("IDS", pid).Add(ids);

  pb::fs_entry fs;
  fs.set_cwd_id(1);
  fs.set_root_id(1);
  fs.set_umask(022);
  Image("FS", pid).Add(fs);

  pb::mm_entry mm;
  const auto* reflection = mm.GetReflection();
  for (int i = 0; i < 11; ++i) {
    reflection->SetUInt64(&mm, mm.GetDescriptor()->field(i), 0x400000 + 0x1000 * i);
  }
  mm.set_exe_file_id(2);
  AddVma(&mm, 0x400000, 1, 1, 0x41, 2);
  AddVma(&mm, 0x401000, 100, 5, 0x41, 2);
  AddVma(&mm, 0x500000, 4, 3, 0x41, 2);
  AddVma(&mm, 0x600000, 16, 3, 0x221, 0);
  AddVma(&mm, 0x7ffff7000000, 33, 3, 0x201, 0);
  Image("MM", pid).Add(mm);

  Image pagemap("PAGEMAP", pid);
  pb::pagemap_head head;
  head.set_pages_id(index + 1);
  pagemap.Add(head);
  pb::pagemap_entry run;
  run.set_vaddr(0x600000);
  run.set_compat_nr_pages(0);
  run.set_nr_pages(kPagesEach);
  run.set_flags(4);
  pagemap.Add(run);
  std::string pages(kPagesEach * 4096, static_cast<char>(index % 7));
  std::memcpy(pages.data(), &index, sizeof index);
  Image::Write("pages-" + std::to_string(index + 1) + ".img", pages);

  Image fdinfo("FDINFO", index + 2);
  for (int fd = 0; fd < descriptors; ++fd) {
    pb::fdinfo_entry entry;
    entry.set_id(fd < 3 ? 3 + fd : 10 + index * descriptors + fd);
    entry.set_flags(0);
    entry.set_type(pb::FD_REG);
    entry.set_fd(fd);
    fdinfo.Add(entry);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: make_dump FOLDER PROCESSES DESCRIPTORS\n");
    return 2;
  }
  folder = argv[1];
  const int processes = std::atoi(argv[2]), descriptors = std::atoi(argv[3]);
  mkdir(folder.c_str(), 0777);
  WriteTree(processes);
  {
    Image files("FILES", 0);
    files.Add(File(1, "/"));
    files.Add(File(2, "/bin/worker"));
    for (int fd = 0; fd < 3; ++fd) files.Add(File(3 + fd, "/dev/null"));
    for (int i = 0; i < processes; ++i) {
      for (int fd = 3; fd < descriptors; ++fd) {
        const int id = 10 + i * descriptors + fd;
        files.Add(File(id, "/var/lib/worker/" + std::to_string(id)));
      }
    }
  }
  for (int i = 0; i < processes; ++i) WriteProcess(i, descriptors);
  pb::inventory_entry inventory;
  inventory.set_img_version(2);
  inventory.set_fdinfo_per_id(true);
  Image("INVENTORY", 0).Add(inventory);
  return 0;
}
