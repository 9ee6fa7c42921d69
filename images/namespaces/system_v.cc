// SPDX-License-Identifier: Apache-2.0
// ipcns-shm-<id>.img, ipcns-msg-<id>.img, ipcns-sem-<id>.img: what is in the IPC namespace of the
// root. Raw bytes behind an entry are padded to whole words.
#include <cstring>

#include "images/load/loader.h"
#include "images/load/place.h"
#include "images/proto/namespaces.pb.h"

namespace crgen {
namespace {

constexpr std::uint32_t kMostMode = 0777, kRemoved = 01000, kLocked = 02000;  // SHM_DEST, …
constexpr std::uint64_t kWord = 8, kSegmentWord = 4;

std::uint64_t Padded(std::uint64_t bytes, std::uint64_t word) {
  return (bytes + word - 1) / word * word;
}

/// Runs that follow each other in the segment and in the image are one.
void Append(const std::string& image, const PageRun& run, std::vector<ContentRun>* content) {
  const std::uint64_t bytes = run.nr_pages * kPageSize;
  if (!content->empty()) {
    ContentRun& last = content->back();
    if (last.source.image == image && last.at + last.bytes == run.start &&
        last.source.offset + last.bytes == run.image_offset) {
      last.bytes += bytes;
      return;
    }
  }
  content->push_back({run.start, {image, run.image_offset}, bytes});
}

/// The images of one namespace.
class SystemVLoader {
 public:
  SystemVLoader(Loader& loader, std::uint32_t id, IpcNamespace* to)
      : loader_(loader), diag_(loader.diag), id_(id), to_(*to) {}

  void Load() {
    ForEachEntry<pb::ipc_shm_entry>(
        "IPCNS_SHM", [&](const auto& entry, ImageReader& at) { return AddSegment(entry, at); });
    ForEachEntry<pb::ipc_msg_entry>(
        "IPCNS_MSG", [&](const auto& entry, ImageReader& at) { return AddQueue(entry, at); });
    ForEachEntry<pb::ipc_sem_entry>(
        "IPCNS_SEM", [&](const auto& entry, ImageReader& at) { return AddSet(entry, at); });
    for (const auto& [index, where] : in_pagemaps_) LoadPages(to_.shm[index], where);
    ReportLost();
  }

 private:
  /// Numbers that no two objects of one kind have.
  struct Taken {
    std::unordered_map<std::uint32_t, std::uint32_t> places, keys;
  };

  /// Calls `add` for each entry of that image, behind which it steps over raw bytes.
  template <typename Entry, typename Add>
  void ForEachEntry(std::string_view name, Add&& add) {
    const ImageKind& kind = ImageKindNamed(name);
    if (!loader_.images.Has(kind, id_)) return;
    image_ = ImageSet::NameOf(kind, id_);
    taken_ = {};
    ImageReader reader{"", ""};
    std::string_view bytes;
    Entry entry;
    if (Failed(loader_.images.Open(kind, id_, &reader, diag_))) return;
    while (!reader.AtEnd()) {
      if (Failed(reader.Next(&bytes, diag_)) ||
          Failed(ParseMessage(bytes, reader, &entry, diag_)) || Failed(add(entry, reader))) {
        return;
      }
    }
  }

  /// What all objects have. False: reported, and it is left out.
  template <typename Object>
  bool Describe(const pb::ipc_desc_entry& from, std::uint32_t mode, const ImageReader& at,
                Object* to) {
    const Place place(at, diag_, "desc");
    const std::size_t errors = diag_.Count(Severity::kError);
    place.AtMost(".id", from.id(), kMostIpcId);
    if ((mode & ~kMostMode) != 0) {
      place.Error(".mode", HexText(from.mode()) + " is no mode of an object of System V IPC");
    }
    for (const auto& [field, number] :
         {std::pair{".uid", from.uid()}, std::pair{".gid", from.gid()},
          std::pair{".cuid", from.cuid()}, std::pair{".cgid", from.cgid()}}) {
      place.AtMost(field, number, ~std::uint32_t{0} - 1);
    }
    const auto [other, is_free] = taken_.places.emplace(from.id() % kIpcPlaces, from.id());
    if (!is_free && other->second == from.id()) {
      place.Error(".id", std::to_string(from.id()) + " stands twice");
    } else if (!is_free) {
      place.Essential(".id", std::to_string(from.id()) + " beside " +
                                 std::to_string(other->second) +
                                 ": only a kernel that was booted with ipcmni_extend has both");
      return false;
    }
    if (from.key() != 0 && !taken_.keys.emplace(from.key(), from.id()).second) {
      place.Error(".key", HexText(from.key()) + " stands twice");
    }
    to->id = from.id();
    to->key.value = from.key();
    to->permissions = {mode, from.uid(), from.gid(), from.cuid(), from.cgid()};
    return diag_.Count(Severity::kError) == errors;
  }

  Result AddSegment(const pb::ipc_shm_entry& entry, ImageReader& at) {
    ShmSegment segment;
    const std::uint64_t offset = at.offset();
    const bool raw = !entry.in_pagemaps();
    if (raw && entry.size() <= kMostSegmentSize &&
        Failed(at.Skip(Padded(entry.size(), kSegmentWord), diag_))) {
      return Result::kError;
    }
    if (entry.size() == 0 || entry.size() > kMostSegmentSize) {
      return diag_.Fail(at.Where("size"), std::to_string(entry.size()) + " bytes, expected 1 to " +
                                              std::to_string(kMostSegmentSize));
    }
    const std::uint32_t mode = entry.desc().mode();
    loader_.segments.emplace(entry.desc().id(), Loader::Segment{at.Where(), entry.size(), false});
    if (!Describe(entry.desc(), mode & ~(kRemoved | kLocked), at, &segment)) return Result::kOk;
    segment.size = entry.size();
    segment.removed = (mode & kRemoved) != 0;
    segment.locked = (mode & kLocked) != 0;
    if (segment.removed && segment.key.value != 0) {
      return diag_.Fail(at.Where("desc.key"),
                        HexText(segment.key.value) + " of a segment that is removed, expected 0");
    }
    if (entry.has_hugetlb_flag() && entry.hugetlb_flag() != 0) {
      diag_.Essential(at.Where("hugetlb_flag"), "a System V segment of huge pages");
    }
    if (raw) {
      segment.content.push_back({0, {image_, offset}, segment.size});
    } else {
      in_pagemaps_.emplace_back(to_.shm.size(), at.Where());
    }
    to_.shm.push_back(std::move(segment));
    return Result::kOk;
  }

  void LoadPages(ShmSegment& segment, const std::string& where) {
    const ImageKind& kind = ImageKindNamed("SHMEM_PAGEMAP");
    if (!loader_.images.Has(kind, segment.id)) {
      diag_.Error(ImageSet::NameOf(kind, segment.id), "is missing: the pages of " + where);
      return;
    }
    std::vector<PageRun> runs;
    if (Failed(loader_.LoadPageRuns(kind, segment.id, SegmentPages(segment.size), &runs))) return;
    for (const PageRun& run : runs) {
      Append(loader_.snapshot.page_images[run.image], run, &segment.content);
    }
  }

  Result AddQueue(const pb::ipc_msg_entry& entry, ImageReader& at) {
    MsgQueue queue;
    const bool described = Describe(entry.desc(), entry.desc().mode(), at, &queue);
    queue.qbytes = entry.qbytes();
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < entry.qnum(); ++i) {
      if (at.AtEnd()) {
        return diag_.Fail(at.Where(), "is the last entry, but queue " + std::to_string(queue.id) +
                                          " has " + std::to_string(entry.qnum()) +
                                          " messages, of which " + std::to_string(i) + " are here");
      }
      if (Failed(AddMessage(at, &queue, &sum))) return Result::kError;
    }
    if (described) to_.msg.push_back(std::move(queue));
    return Result::kOk;
  }

  Result AddMessage(ImageReader& at, MsgQueue* queue, std::uint64_t* sum) {
    std::string_view bytes;
    pb::ipc_msg message;
    if (Failed(at.Next(&bytes, diag_)) || Failed(ParseMessage(bytes, at, &message, diag_))) {
      return Result::kError;
    }
    if (message.mtype() == 0 || message.mtype() > kMostMessageType) {
      return diag_.Fail(at.Where("mtype"), std::to_string(message.mtype()) + ", expected 1 to " +
                                               std::to_string(kMostMessageType));
    }
    *sum += message.msize();
    if (*sum > kMostMessageBytes) {
      return diag_.Fail(at.Where("msize"), "queue " + std::to_string(queue->id) +
                                               " would have more than " +
                                               std::to_string(kMostMessageBytes) + " bytes");
    }
    queue->messages.push_back({message.mtype(), {image_, at.offset(), message.msize()}});
    return at.Skip(Padded(message.msize(), kWord), diag_);
  }

  Result AddSet(const pb::ipc_sem_entry& entry, ImageReader& at) {
    SemSet set;
    const std::uint64_t size = std::uint64_t{entry.nsems()} * sizeof(std::uint16_t);
    std::string_view values;
    if (entry.nsems() == 0) return diag_.Fail(at.Where("nsems"), "0, expected at least 1");
    if (Failed(at.Take(Padded(size, kWord), &values, diag_))) return Result::kError;
    const bool described = Describe(entry.desc(), entry.desc().mode(), at, &set);
    for (std::uint32_t i = 0; i < entry.nsems(); ++i) {
      std::uint16_t value = 0;
      std::memcpy(&value, values.data() + i * sizeof value, sizeof value);
      if (value > kMostSemaphoreValue) {
        diag_.Error(
            at.Where("values[" + std::to_string(i) + "]"),
            std::to_string(value) + ", expected at most " + std::to_string(kMostSemaphoreValue));
        return Result::kOk;
      }
      set.values.push_back(value);
    }
    if (described) to_.sem.push_back(std::move(set));
    return Result::kOk;
  }

  void ReportLost() {
    const auto lost = [&](std::string_view kind, std::size_t count, const char* what) {
      if (count == 0) return;
      diag_.NotRestorable(ImageSet::NameOf(ImageKindNamed(kind), id_),
                          std::to_string(count) + " " + what);
    };
    lost("IPCNS_SHM", to_.shm.size(),
         "segments of shared memory: when, and by whom, each was used last is in no image");
    lost("IPCNS_MSG", to_.msg.size(),
         "message queues: when, and by whom, each was used last is in no image");
    lost("IPCNS_SEM", to_.sem.size(),
         "sets of semaphores: what would be undone at the end of a process (SEM_UNDO), and when, "
         "and by whom, each was used last, is in no image");
  }

  Loader& loader_;
  Diagnostics& diag_;
  const std::uint32_t id_;
  IpcNamespace& to_;
  std::string image_;  ///< that is read
  Taken taken_;
  std::vector<std::pair<std::size_t, std::string>> in_pagemaps_;  ///< segments, and their places
};

}  // namespace

void Loader::LoadSystemV(std::uint32_t id, IpcNamespace* to) {
  SystemVLoader(*this, id, to).Load();
}

/// What is attached has to be there; and what goes with the last attachment needs one.
void Loader::FinishSegments() {
  if (snapshot.processes.empty() || snapshot.processes[0].attributes == nullptr) return;
  const Rare<IpcNamespace>& ipc = snapshot.processes[0].attributes->ipc;
  if (!ipc) return;  // reported, or no region is one of its segments
  for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
    for (const Region& region : snapshot.processes[i].memory.regions) {
      if (region.kind != RegionKind::kSysvShm) continue;
      const auto where = [&] {
        return "mm-" + std::to_string(snapshot.tree.nodes[i].pid) + ".img[0], the area at " +
               HexText(region.range.start);
      };
      const auto known = segments.find(region.shmid);
      if (known == segments.end()) {
        diag.Error(where(), "System V segment " + std::to_string(region.shmid) +
                                ", which the IPC namespace has not");
        continue;
      }
      known->second.attached = true;
      const std::uint64_t pages = SegmentPages(known->second.size);
      if (region.offset <= pages && region.range.size() <= pages - region.offset) continue;
      diag.Error(where(), "bytes " + std::to_string(region.offset) + " to " +
                              std::to_string(region.offset + region.range.size()) +
                              " of System V segment " + std::to_string(region.shmid) +
                              ", which has " + std::to_string(pages));
    }
  }
  for (const ShmSegment& segment : ipc->shm) {
    const Segment& known = segments.at(segment.id);
    if (known.attached || !(segment.removed || ipc->sysctls.shm_rmid_forced)) continue;
    diag.NotRestorable(known.where,
                       "segment " + std::to_string(segment.id) +
                           (segment.removed ? " is removed" : " goes with its creator") +
                           ", and no process of the tree has it attached: nothing keeps it");
  }
}

}  // namespace crgen
