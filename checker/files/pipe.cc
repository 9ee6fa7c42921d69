// SPDX-License-Identifier: Apache-2.0
#include "checker/files/pipe.h"

#include <fcntl.h>

#include "checker/kernel/kernel.h"
#include "model/files/external.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kDefaultCapacity = 16 * kPageSize, kMostCapacity = std::uint64_t{1} << 31;

std::string NameOf(const Pipe& pipe) { return "pipe " + std::to_string(pipe.pipe_id.value); }

bool MakesContent(const auto& body) { return body.capacity || body.data; }

/// F_SETPIPE_SZ rounds up to a power of two; what is written has to find room.
std::optional<Refusal> RefusedContent(const std::string& name, const auto& body) {
  const std::uint64_t capacity = body.capacity.value_or(kDefaultCapacity);
  const bool power = (capacity & (capacity - 1)) == 0;
  if (!power || capacity < kPageSize || capacity > kMostCapacity) {
    return Refusal{"EINVAL", name + " has a capacity of " + std::to_string(capacity) +
                                 ", expected a power of two from 4096 to 2^31"};
  }
  if (!body.data) return std::nullopt;
  if (body.data->bytes == 0 || body.data->image.empty()) {
    return Refusal{"EINVAL", name + " has data without bytes or without an image"};
  }
  if (body.data->bytes > capacity) {
    return Refusal{"EAGAIN", name + " holds " + std::to_string(capacity) + " bytes, not " +
                                 std::to_string(body.data->bytes)};
  }
  return std::nullopt;
}

/// What pipe(2) or open(2) gives, and F_SETFL can add.
std::optional<Refusal> RefusedPipeFlags(OpenFlags flags) {
  constexpr std::uint64_t kSettable = O_APPEND | O_NONBLOCK | O_ASYNC | O_NOATIME | O_DIRECT;
  if (auto refused = RefusedFlags(flags)) return refused;
  const std::uint64_t possible =
      O_ACCMODE | kSettable | (IsReopenedEnd(flags) ? kLargeFile | O_SYNC | O_DSYNC : 0);
  const OpenFlags others = {flags.bits & ~possible};
  if (others.bits == 0) return std::nullopt;
  return Refusal{"EINVAL", "no end of a pipe has " + ValueText(others)};
}

template <typename Id>
bool Lives(const std::unordered_map<Id, std::weak_ptr<PipeObject>>& objects, Id id) {
  const auto known = objects.find(id);
  return known != objects.end() && !known->second.expired();
}

/// The object behind a description that is open now.
std::shared_ptr<PipeObject> ObjectOf(std::weak_ptr<PipeObject>& known, const auto& body) {
  std::shared_ptr<PipeObject> object = known.lock();
  if (object == nullptr) {
    object = std::make_shared<PipeObject>(PipeObject{{body.capacity, body.data}});
    known = object;
  }
  return object;
}

}  // namespace

bool FileRules<Pipe>::ObjectLives(const Pipe& pipe) const { return Lives(pipes_, pipe.pipe_id); }

std::optional<Refusal> FileRules<Pipe>::Check(const File& file, const Pipe& pipe) const {
  if (auto refused = RefusedPipeFlags(file.flags)) return refused;
  if (!file.external) return RefusedContent(NameOf(pipe), pipe);
  if (*file.external != PipeKey(pipe.pipe_id.value)) {
    return Refusal{"EINVAL", *file.external + " is not " + NameOf(pipe)};
  }
  if (!MakesContent(pipe)) return std::nullopt;
  return Refusal{"EINVAL", NameOf(pipe) + " comes from outside, and has capacity or data"};
}

std::optional<Refusal> FileRules<Pipe>::CheckOpening(const Kernel&, const File& file,
                                                     const Pipe& pipe, const File* peer) const {
  const auto* other = peer == nullptr ? nullptr : As<Pipe>(*peer);
  if (peer != nullptr) {
    const bool one_each = (file.flags.bits & O_ACCMODE) != (peer->flags.bits & O_ACCMODE);
    if (other == nullptr || other->pipe_id != pipe.pipe_id) {
      return Refusal{"EINVAL", "the peer is no end of " + NameOf(pipe)};
    }
    if (MakesContent(*other)) {
      return Refusal{"EINVAL", "capacity and data stand in `file`, not in the peer"};
    }
    if (file.external || peer->external) {
      return Refusal{"EINVAL", "what comes from outside has no peer"};
    }
    if (IsReopenedEnd(file.flags) || IsReopenedEnd(peer->flags) || !one_each) {
      return Refusal{"EINVAL",
                     "the two ends of pipe(2) are O_RDONLY and O_WRONLY, without O_LARGEFILE"};
    }
  }
  if (file.external) return std::nullopt;
  const auto known = pipes_.find(pipe.pipe_id);
  if (known == pipes_.end()) return std::nullopt;
  if (known->second.expired()) {
    return Refusal{"ENOENT", NameOf(pipe) + " is gone: nothing refers to it any more"};
  }
  if (MakesContent(pipe)) {
    return Refusal{"EEXIST",
                   NameOf(pipe) + " exists already: only its first opening has capacity or data"};
  }
  if (peer == nullptr && IsReopenedEnd(file.flags)) return std::nullopt;
  return Refusal{"EEXIST", NameOf(pipe) +
                               " exists already, and a further description of it is opened with "
                               "O_LARGEFILE"};
}

void FileRules<Pipe>::Opened(const Kernel&, Description& description, const Pipe& pipe,
                             Description* peer) {
  if (description.file->external) return;
  description.pipe = ObjectOf(pipes_[pipe.pipe_id], pipe);
  if (peer != nullptr) peer->pipe = description.pipe;
}

bool FileRules<Fifo>::ObjectLives(const Fifo& fifo) const { return Lives(fifos_, fifo.pipe_id); }

std::optional<Refusal> FileRules<Fifo>::Check(const File& file, const Fifo& fifo) const {
  const std::string name = "FIFO " + std::to_string(fifo.pipe_id.value);
  if (auto refused = RefusedFlags(file.flags)) return refused;
  if (auto refused = RefusedPath(fifo.path)) return refused;
  if (auto refused = RefusedLink(fifo)) return refused;
  if (file.flags.Has(O_PATH)) return Refusal{"EINVAL", "a path alone has nothing of a FIFO"};
  if (file.flags.Has(O_DIRECTORY)) return Refusal{"ENOTDIR", "O_DIRECTORY: it is a FIFO"};
  if (Lives(fifos_, fifo.pipe_id) && MakesContent(fifo)) {
    return Refusal{"EEXIST",
                   name + " is open already: only its first opening has capacity or data"};
  }
  return RefusedContent(name, fifo);
}

std::optional<Refusal> FileRules<Fifo>::CheckOpening(const Kernel& kernel, const File& file,
                                                     const Fifo& fifo, const File*) const {
  if (!fifo.unlinked && !fifo.opened_by) return std::nullopt;
  if (file.flags.Has(O_NOFOLLOW)) {
    return Refusal{"ELOOP",
                   "a FIFO without a name is opened through /proc, where O_NOFOLLOW fails"};
  }
  if (fifo.opened_by) return std::nullopt;
  return kernel.files.Of<RegularFile>().CheckUnlinked(file);
}

void FileRules<Fifo>::Opened(const Kernel&, Description& description, const Fifo& fifo,
                             Description*) {
  if (!description.file->external) description.pipe = ObjectOf(fifos_[fifo.pipe_id], fifo);
}

}  // namespace crgen::check
