// SPDX-License-Identifier: Apache-2.0
// Writes a dump of any size: processes of one real process's kind, with as many descriptors,
// regions, pages and threads as asked for.
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bench/image_writer.h"
#include "bench/trees.h"
#include "images/dump.h"
#include "images/image_reader.h"
#include "images/image_table.h"
#include "images/proto/core.pb.h"
#include "images/proto/files.pb.h"
#include "images/proto/inventory.pb.h"
#include "images/proto/memory.pb.h"
#include "images/proto/pstree.pb.h"
#include "images/proto/unix_socket.pb.h"

namespace {

using namespace crgen;

struct Options {
  std::string folder;
  std::string pattern;  // the real dump
  std::string tree = "services";
  bool tree_only = false;
  int processes = 1;
  int descriptors = 8;
  int shared = 3;            // of the descriptors: descriptions that all processes share
  int pipes = 0, pairs = 0;  // further descriptors of the first process: both ends, with a queue
  int targets = 0;           // likewise: of a set of epoll(7)
  int threads = 0;
  int regions = 1;
  std::uint64_t pages = 4;
  std::uint64_t run = 4;  // pages in one entry of a pagemap; as many are absent behind it
};

constexpr std::uint64_t kFirstRegion = 0x100000000000;
/// The pages of larger images are holes in the file: nobody reads them.
constexpr std::uint64_t kMaxWritten = 1 << 20;

/// The first process of a real dump, and what it refers to.
struct Pattern {
  pb::inventory_entry inventory;
  pb::core_entry core, thread;
  pb::task_kobj_ids_entry ids;
  pb::fs_entry fs;
  pb::mm_entry mm;
  std::vector<pb::file_entry> files;
};

class PatternReader {
 public:
  explicit PatternReader(const std::string& folder) : source_(OpenFolder(folder, diag_)) {
    if (source_ == nullptr) Refuse();
  }

  Pattern Read() {
    Pattern pattern;
    pb::pstree_entry root;
    First("INVENTORY", 0, &pattern.inventory);
    First("PSTREE", 0, &root);
    if (root.threads_size() < 2) Fail("the first process of the pattern has no threads");
    First("CORE", root.pid(), &pattern.core);
    First("CORE", root.threads(1), &pattern.thread);
    First("IDS", root.pid(), &pattern.ids);
    First("FS", root.pid(), &pattern.fs);
    First("MM", root.pid(), &pattern.mm);
    pb::file_entry file;
    ForEach("FILES", 0, &file, [&] { pattern.files.push_back(file); });
    return pattern;
  }

 private:
  [[noreturn]] void Refuse() {
    const Diagnostic& problem = diag_.entries().front();
    Fail(problem.where + ": " + problem.what);
  }

  template <typename Message, typename Visit>
  void ForEach(std::string_view kind_name, std::uint64_t number, Message* message, Visit visit) {
    const ImageKind& kind = ImageKindNamed(kind_name);
    const std::string name = FileName(kind, number);
    std::string content;
    if (Failed(source_->Read(name, &content, diag_))) Refuse();
    ImageReader reader(name, content);
    if (Failed(reader.ReadMagic(kind, diag_))) Refuse();
    std::string_view entry;
    while (!reader.AtEnd()) {
      if (Failed(reader.Next(&entry, diag_))) Refuse();
      if (!message->ParseFromArray(entry.data(), static_cast<int>(entry.size()))) {
        Fail(reader.Where() + ": not a valid " + message->GetTypeName());
      }
      visit();
    }
  }

  template <typename Message>
  void First(std::string_view kind, std::uint64_t number, Message* message) {
    Message entry;
    bool found = false;
    ForEach(kind, number, &entry, [&] {
      if (!std::exchange(found, true)) *message = entry;
    });
    if (!found) Fail(std::string(kind) + " of the pattern has no entry");
  }

  Diagnostics diag_;
  std::unique_ptr<ImageSource> source_;
};

/// Writes the images of one dump.
class DumpWriter {
 public:
  DumpWriter(const Options& options, const Pattern& pattern, const TreeSnapshot& tree)
      : options_(options), pattern_(pattern), tree_(tree) {
    for (const pb::file_entry& file : pattern.files) {
      first_file_ = std::max(first_file_, file.id() + 1);
    }
  }

  void WriteTree();
  void WriteFiles();
  void WriteProcess(int index);
  void WriteInventory() { Image(options_.folder, "INVENTORY", 0).Add(pattern_.inventory); }

 private:
  /// Tids follow all pids.
  int Tid(int index, int thread) const {
    return static_cast<int>(tree_.nodes.size()) + 1 + index * options_.threads + thread;
  }
  /// The first shared descriptions have the first ids.
  std::uint32_t FileOf(int index, int fd) const {
    const int own = options_.descriptors - options_.shared;
    return first_file_ + static_cast<std::uint32_t>(fd < options_.shared ? fd : fd + index * own);
  }
  std::uint64_t PagesPerRegion() const {
    return (options_.pages + options_.regions - 1) / static_cast<std::uint64_t>(options_.regions);
  }
  /// Room for runs and the holes behind them, and a page that keeps it apart from the next one.
  std::uint64_t RegionStart(int region) const {
    return kFirstRegion + static_cast<std::uint64_t>(region) *
                              (2 * PagesPerRegion() + 2 * options_.run + 1) * kPageSize;
  }
  pb::file_entry RegularFile(std::uint32_t id, const std::string& path) const;
  /// Adds `file`, of a new id, to the image and to the first process.
  void AddFurther(pb::fd_types type, pb::file_entry* file, Image* image);
  void WritePipes(Image* image);
  void WritePairs(Image* image);
  void WriteSet(Image* image);
  void WriteMemory(int index, std::uint64_t pid);
  void WritePages(int index, std::uint64_t pid);

  const Options& options_;
  const Pattern& pattern_;
  const TreeSnapshot& tree_;
  std::uint32_t first_file_ = 1;
  std::uint32_t next_file_ = 0;
  std::vector<std::pair<pb::fd_types, std::uint32_t>> further_;  // of the first process
};

void DumpWriter::WriteTree() {
  Image image(options_.folder, "PSTREE", 0);
  pb::pstree_entry entry;
  for (int i = 0; i < static_cast<int>(tree_.nodes.size()); ++i) {
    const TreeNode& node = tree_.nodes[static_cast<std::size_t>(i)];
    entry.Clear();
    entry.set_pid(static_cast<std::uint32_t>(node.pid));
    entry.set_ppid(node.parent < 0 ? 0
                                   : static_cast<std::uint32_t>(
                                         tree_.nodes[static_cast<std::size_t>(node.parent)].pid));
    entry.set_pgid(static_cast<std::uint32_t>(node.pgid));
    entry.set_sid(static_cast<std::uint32_t>(node.sid));
    entry.add_threads(static_cast<std::uint32_t>(node.pid));
    for (int t = 0; t < options_.threads; ++t) {
      entry.add_threads(static_cast<std::uint32_t>(Tid(i, t)));
    }
    image.Add(entry);
  }
}

pb::file_entry DumpWriter::RegularFile(std::uint32_t id, const std::string& path) const {
  pb::file_entry file;
  for (const pb::file_entry& known : pattern_.files) {
    if (known.has_reg()) file = known;
  }
  file.set_id(id);
  file.mutable_reg()->set_id(id);
  file.mutable_reg()->set_pos(id);
  file.mutable_reg()->set_name(path);
  return file;
}

void DumpWriter::WriteFiles() {
  Image image(options_.folder, "FILES", 0);
  for (const pb::file_entry& file : pattern_.files) image.Add(file);
  for (int fd = 0; fd < options_.shared; ++fd) image.Add(RegularFile(FileOf(0, fd), "/dev/null"));
  for (int i = 0; i < static_cast<int>(tree_.nodes.size()); ++i) {
    for (int fd = options_.shared; fd < options_.descriptors; ++fd) {
      const std::uint32_t id = FileOf(i, fd);
      image.Add(RegularFile(id, "/var/lib/service/" + std::to_string(id)));
    }
  }
  next_file_ = FileOf(static_cast<int>(tree_.nodes.size()), options_.descriptors);
  if (options_.pipes != 0) WritePipes(&image);
  if (options_.pairs != 0) WritePairs(&image);
  if (options_.targets != 0) WriteSet(&image);
}

constexpr std::string_view kQueued =
    "what nobody has read yet, in sixty-four bytes of a queue, or so.";

void DumpWriter::AddFurther(pb::fd_types type, pb::file_entry* file, Image* image) {
  file->set_type(type);
  file->set_id(next_file_);
  FillRequired(file);
  image->Add(*file);
  further_.emplace_back(type, next_file_++);
}

void DumpWriter::WritePipes(Image* image) {
  Image data(options_.folder, "PIPES_DATA", 0);
  for (int i = 0; i < options_.pipes; ++i) {
    pb::pipe_data_entry queued;
    queued.set_pipe_id(next_file_);
    queued.set_bytes(kQueued.size());
    queued.set_size(16 * kPageSize);
    data.Add(queued);
    data.Add(kQueued);
    for (const std::uint32_t flags : {O_RDONLY, O_WRONLY}) {
      pb::file_entry file;
      pb::pipe_entry& end = *file.mutable_pipe();
      end.set_id(next_file_);
      end.set_pipe_id(queued.pipe_id());
      end.set_flags(flags);
      FillRequired(&end);
      AddFurther(pb::FD_PIPE, &file, image);
    }
  }
}

void DumpWriter::WritePairs(Image* image) {
  Image queues(options_.folder, "SK_QUEUES", 0);
  constexpr std::uint32_t kRoom = 212992;  // net.core.wmem_default
  for (int i = 0; i < options_.pairs; ++i) {
    const std::uint32_t first = next_file_;
    for (const std::uint32_t peer : {first + 1, first}) {
      pb::file_entry file;
      pb::unix_sk_entry& socket = *file.mutable_usk();
      socket.set_id(next_file_);
      socket.set_ino(next_file_);
      socket.set_type(SOCK_STREAM);
      socket.set_state(TCP_ESTABLISHED);
      socket.set_flags(O_RDWR);
      socket.set_peer(peer);
      socket.mutable_opts()->set_so_sndbuf(kRoom);
      socket.mutable_opts()->set_so_rcvbuf(kRoom);
      FillRequired(&socket);
      pb::sk_packet_entry packet;
      packet.set_id_for(next_file_);
      packet.set_length(kQueued.size());
      queues.Add(packet);
      queues.Add(kQueued);
      AddFurther(pb::FD_UNIXSK, &file, image);
    }
  }
}

void DumpWriter::WriteSet(Image* image) {
  pb::file_entry set_file;
  pb::eventpoll_file_entry& set = *set_file.mutable_epfd();
  for (int i = 0; i < options_.targets; ++i) {
    pb::eventpoll_tfd_entry& target = *set.add_tfd();
    target.set_tfd(static_cast<std::uint32_t>(options_.descriptors + further_.size()));
    target.set_events(EPOLLIN | EPOLLERR | EPOLLHUP);
    target.set_data(static_cast<std::uint64_t>(i));
    pb::file_entry file;
    file.mutable_efd()->set_id(next_file_);
    file.mutable_efd()->set_flags(O_RDWR);
    FillRequired(file.mutable_efd());
    AddFurther(pb::FD_EVENTFD, &file, image);
  }
  set.set_id(next_file_);
  set.set_flags(O_RDWR);
  for (pb::eventpoll_tfd_entry& target : *set.mutable_tfd()) target.set_id(next_file_);
  FillRequired(&set);
  AddFurther(pb::FD_EVENTPOLL, &set_file, image);
}

void DumpWriter::WriteMemory(int index, std::uint64_t pid) {
  constexpr std::uint32_t kReadWrite = 3, kPrivateAnonymous = 0x22, kRegularAnonymous = 0x201;
  pb::mm_entry mm = pattern_.mm;
  mm.clear_vmas();
  auto own = pattern_.mm.vmas().begin();
  for (; own != pattern_.mm.vmas().end() && own->start() < kFirstRegion; ++own) {
    *mm.add_vmas() = *own;
  }
  for (int region = 0; region < options_.regions; ++region) {
    pb::vma_entry& vma = *mm.add_vmas();
    vma.set_start(RegionStart(region));
    vma.set_end(RegionStart(region + 1) - kPageSize);
    vma.set_pgoff(0);
    vma.set_shmid(0);
    vma.set_prot(kReadWrite);
    vma.set_flags(kPrivateAnonymous);
    vma.set_status(kRegularAnonymous);
    vma.set_fd(-1);
  }
  for (; own != pattern_.mm.vmas().end(); ++own) *mm.add_vmas() = *own;
  Image(options_.folder, "MM", pid).Add(mm);
  WritePages(index, pid);
}

void DumpWriter::WritePages(int index, std::uint64_t pid) {
  constexpr std::uint32_t kPresent = 4;
  const auto pages_id = static_cast<std::uint32_t>(index + 1);
  {
    Image image(options_.folder, "PAGEMAP", pid);
    pb::pagemap_head head;
    head.set_pages_id(pages_id);
    image.Add(head);
    pb::pagemap_entry entry;
    entry.set_compat_nr_pages(0);
    entry.set_flags(kPresent);
    std::uint64_t left = options_.pages;
    for (int region = 0; left != 0; ++region) {
      std::uint64_t here = std::min(left, PagesPerRegion());
      left -= here;
      for (std::uint64_t address = RegionStart(region); here != 0;) {
        const std::uint64_t count = std::min(here, options_.run);
        entry.set_vaddr(address);
        entry.set_nr_pages(count);
        image.Add(entry);
        address += 2 * count * kPageSize;
        here -= count;
      }
    }
  }
  const std::uint64_t size = options_.pages * kPageSize;
  std::string bytes;
  if (size <= kMaxWritten) {
    bytes.resize(size, static_cast<char>(index % 7));
    if (size != 0) std::memcpy(bytes.data(), &index, sizeof index);
  }
  WriteFile(options_.folder + "/" + FileName(ImageKindNamed("PAGES"), pages_id), bytes, size);
}

void DumpWriter::WriteProcess(int index) {
  const auto pid = static_cast<std::uint64_t>(tree_.nodes[static_cast<std::size_t>(index)].pid);
  const auto number = static_cast<std::uint32_t>(index + 2);
  Image(options_.folder, "CORE", pid).Add(pattern_.core);
  for (int t = 0; t < options_.threads; ++t) {
    Image(options_.folder, "CORE", static_cast<std::uint64_t>(Tid(index, t))).Add(pattern_.thread);
  }
  pb::task_kobj_ids_entry ids = pattern_.ids;
  ids.set_vm_id(number);
  ids.set_files_id(number);
  ids.set_fs_id(number);
  ids.set_sighand_id(number);
  // Pid 1 is the init of a pid namespace.
  ids.set_pid_ns_id(pattern_.inventory.root_ids().pid_ns_id() + 1);
  Image(options_.folder, "IDS", pid).Add(ids);
  Image(options_.folder, "FS", pid).Add(pattern_.fs);
  WriteMemory(index, pid);
  Image fdinfo(options_.folder, "FDINFO", number);
  pb::fdinfo_entry entry;
  for (int fd = 0; fd < options_.descriptors; ++fd) {
    entry.set_id(FileOf(index, fd));
    entry.set_flags(0);
    entry.set_type(pb::FD_REG);
    entry.set_fd(static_cast<std::uint32_t>(fd));
    fdinfo.Add(entry);
  }
  if (index != 0) return;
  for (std::size_t i = 0; i < further_.size(); ++i) {
    entry.set_type(further_[i].first);
    entry.set_id(further_[i].second);
    entry.set_fd(static_cast<std::uint32_t>(options_.descriptors + i));
    fdinfo.Add(entry);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Writes a synthetic dump: processes like the first one of a real dump", "make_dump");
  std::string profiles;
  for (const TreeProfile& profile : TreeProfiles()) {
    profiles += "\n  " + std::string(profile.name) + ": " + std::string(profile.what);
  }
  app.footer("Trees:" + profiles);
  app.add_option("FOLDER", options.folder, "Where it goes; made if it is not there")->required();
  app.add_option("--pattern", options.pattern, "The real dump; its first process has threads");
  app.add_option("--tree", options.tree, "Which tree")->capture_default_str();
  app.add_flag("--tree-only", options.tree_only, "pstree.img alone");
  app.add_option("--processes", options.processes)->check(CLI::Range(1, 4000000));
  app.add_option("--descriptors", options.descriptors, "Of each process")
      ->check(CLI::Range(0, 1000000));
  app.add_option("--shared", options.shared, "How many of them all processes share");
  app.add_option("--pipes", options.pipes, "Of the first process: both ends, with a queue")
      ->check(CLI::Range(0, 400000));
  app.add_option("--pairs", options.pairs, "Of unix sockets of the first process, with queues")
      ->check(CLI::Range(0, 400000));
  app.add_option("--targets", options.targets, "Of a set of epoll(7) of the first process")
      ->check(CLI::Range(0, 400000));
  app.add_option("--threads", options.threads, "Further ones, of each process")
      ->check(CLI::Range(0, 100000));
  app.add_option("--regions", options.regions, "Of each process, beside the pattern's")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--pages", options.pages, "Present in these regions, in sum");
  app.add_option("--run", options.run, "Pages of one pagemap entry; the next as many are absent")
      ->check(CLI::Range(1, 1000000));
  CLI11_PARSE(app, argc, argv);
  options.shared = std::min(options.shared, options.descriptors);
  const TreeProfile* profile = FindTreeProfile(options.tree);
  if (profile == nullptr) Fail("there is no tree " + options.tree);
  if (options.pattern.empty() && !options.tree_only) Fail("--pattern is missing");
  mkdir(options.folder.c_str(), 0777);

  const TreeSnapshot tree = profile->make(options.processes);
  const Pattern pattern = options.tree_only ? Pattern() : PatternReader(options.pattern).Read();
  DumpWriter writer(options, pattern, tree);
  writer.WriteTree();
  if (options.tree_only) return 0;
  writer.WriteFiles();
  for (int i = 0; i < static_cast<int>(tree.nodes.size()); ++i) writer.WriteProcess(i);
  writer.WriteInventory();
  return 0;
}
