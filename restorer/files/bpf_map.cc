// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/bpf_map.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

/// bpf(2): -1 with errno, or what the command gives. The kernel may know a shorter `attribute`.
int Bpf(int command, bpf_attr& attribute) {
  if (FailsOnPurpose()) return -1;
  return static_cast<int>(syscall(__NR_bpf, command, &attribute, sizeof attribute));
}

/// What errno says of `call`: E2BIG, whose text is another system call's, by its name.
std::string BpfError(const std::string& call) {
  return errno == E2BIG ? call + ": E2BIG, more than the map or the kernel takes" : ErrorText(call);
}

/// A range of an image, to be read by the kernel: however large it is, nothing is copied before.
class ImageView {
 public:
  ImageView() = default;
  ImageView(const ImageView&) = delete;
  ImageView& operator=(const ImageView&) = delete;
  ~ImageView() {
    if (whole_ != MAP_FAILED) munmap(whole_, size_);
  }
  /// Empty, or what failed.
  std::string Map(const ImageBytes& range, const HostFiles& files) {
    const int image =
        FailsOnPurpose() ? -1 : Reopen(files.image(range.image), O_RDONLY | O_CLOEXEC);
    if (image < 0) return ErrorText("open of " + range.image);
    const std::uint64_t before = range.offset % kPageSize;
    size_ = before + range.bytes;
    if (!FailsOnPurpose()) {
      whole_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, image,
                    static_cast<off_t>(range.offset - before));
    }
    std::string problem = whole_ == MAP_FAILED ? ErrorText("mmap of " + range.image) : "";
    close(image);
    at_ = static_cast<const char*>(whole_) + before;
    return problem;
  }
  std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(at_); }

 private:
  void* whole_ = MAP_FAILED;
  std::uint64_t size_ = 0;
  const char* at_ = nullptr;
};

/// Empty, or what failed. `map`: open for reading and writing.
std::string Fill(int map, const BpfMapData& data, const HostFiles& files) {
  ImageView keys, values;
  std::string problem = keys.Map(data.keys, files);
  if (problem.empty()) problem = values.Map(data.values, files);
  if (!problem.empty()) return problem;
  bpf_attr attribute{};
  attribute.batch.map_fd = static_cast<std::uint32_t>(map);
  attribute.batch.keys = keys.address();
  attribute.batch.values = values.address();
  attribute.batch.count = data.count;
  if (Bpf(BPF_MAP_UPDATE_BATCH, attribute) == 0) return "";
  return BpfError("BPF_MAP_UPDATE_BATCH");
}

/// Another description of the map that `map` is one of; -1: `*problem` says why.
int OpenOnceMore(int map, std::uint64_t access, std::string* problem) {
  bpf_map_info info{};
  bpf_attr asked{};
  asked.info.bpf_fd = static_cast<std::uint32_t>(map);
  asked.info.info_len = sizeof info;
  asked.info.info = reinterpret_cast<std::uint64_t>(&info);
  if (Bpf(BPF_OBJ_GET_INFO_BY_FD, asked) != 0) {
    *problem = ErrorText("BPF_OBJ_GET_INFO_BY_FD");
    return -1;
  }
  bpf_attr attribute{};
  attribute.map_id = info.id;
  attribute.open_flags = access == O_RDONLY ? BPF_F_RDONLY : access == O_WRONLY ? BPF_F_WRONLY : 0;
  const int fd = Bpf(BPF_MAP_GET_FD_BY_ID, attribute);
  if (fd < 0) *problem = ErrorText("BPF_MAP_GET_FD_BY_ID");
  return fd;
}

/// Makes the map; -1: `*problem` says why.
int Make(const BpfMapObject& map, const HostFiles& files, std::string* problem) {
  bpf_attr attribute{};
  attribute.map_type = map.map_type.value;
  attribute.key_size = map.key_size;
  attribute.value_size = map.value_size;
  attribute.max_entries = map.max_entries;
  attribute.map_flags = static_cast<std::uint32_t>(map.map_flags.bits);
  if (map.name) std::ranges::copy(map.name->bytes.substr(0, kMostBpfName), attribute.map_name);
  const int fd = Bpf(BPF_MAP_CREATE, attribute);
  if (fd < 0) {
    *problem = BpfError("BPF_MAP_CREATE");
    return -1;
  }
  if (map.data) *problem = Fill(fd, *map.data, files);
  bpf_attr frozen{};
  frozen.map_fd = static_cast<std::uint32_t>(fd);
  if (problem->empty() && map.frozen && Bpf(BPF_MAP_FREEZE, frozen) != 0) {
    *problem = ErrorText("BPF_MAP_FREEZE");
  }
  if (problem->empty()) return fd;
  close(fd);
  return -1;
}

}  // namespace

std::string FileRestorer<BpfMap>::Prepare(const File& file, const BpfMap& body,
                                          Services& services) {
  const std::uint64_t access = file.flags.bits & O_ACCMODE;
  const auto known = services.bpf_maps.find(body.map_id);
  std::string problem;
  int fd;
  if (known != services.bpf_maps.end()) {
    fd = OpenOnceMore(known->second, access, &problem);
  } else if (fd = Make(body.map ? *body.map : BpfMapObject{}, *services.files, &problem);
             fd >= 0 && access != O_RDWR) {
    // What has made it may do all: what it is filled through.
    const int made = fd;
    fd = OpenOnceMore(made, access, &problem);
    close(made);
  }
  if (!problem.empty()) return "map " + std::to_string(body.map_id.value) + ": " + problem;
  services.bpf_maps.try_emplace(body.map_id, fd);
  services.made[file.id] = fd;
  return "";
}

}  // namespace crgen::restorer
