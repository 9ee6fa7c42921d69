// SPDX-License-Identifier: Apache-2.0
#include "preflight/descriptors.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "dsl/references.h"

namespace crgen::preflight {
namespace {

/// What of a file without a name is held at once.
struct Held {
  std::set<UnlinkedId> names;
  std::uint64_t own = 0;                      ///< descriptions that are not opened through it
  std::map<std::string, std::uint64_t> runs;  ///< of its content, by image
};

/// Those that the supervisor opens itself.
bool IsOwn(OpenFlags flags) { return flags.Has(O_NOFOLLOW) || flags.Has(O_TMPFILE); }

}  // namespace

Fd FirstUnusedFd(const Program& program) {
  Fd first = 0;
  const auto use = [&](Fd fd) { first = std::max(first, fd + 1); };
  for (const Command& command : program) {
    if (const auto* open = std::get_if<OpenFile>(&command.body)) {
      ForEachOpened(*open, [&](Fd fd, const File&, bool) { use(fd); });
    } else if (const auto* dup = std::get_if<DupFd>(&command.body)) {
      use(dup->new_fd);
    }
  }
  return first;
}

std::uint64_t SpareDescriptors(const Program& program) {
  // The service descriptors, and while a socket is made, two ends, a place, and the way back.
  constexpr std::uint64_t kOwn = 10;
  std::uint64_t mounts = 0;  // the root holds all while it makes them
  for (const Command& command : program) {
    if (const auto* open = std::get_if<OpenFile>(&command.body)) {
      ForEachOpened(*open, [&](Fd, const File& file, bool) {
        const auto* socket = As<UnixSocket>(file);  // folders that are hidden are held by all
        mounts += socket != nullptr && socket->mount ? 1 : 0;
      });
    }
    if (const auto* set = std::get_if<SetAttr>(&command.body)) {
      for (const Mount& mount : set->attributes->mounts) {
        // The namespaces and their roots are held by all.
        mounts += mount.parent || !mount.namespace_id ? 1 : 3;
      }
    }
  }
  return kOwn + mounts;
}

std::uint64_t HeldDescriptors(const Program& program) {
  std::map<UnlinkedId, std::uint64_t> file_of;
  std::map<std::uint64_t, Held> files;
  std::set<std::pair<std::string_view, std::string_view>> links;
  std::unordered_set<std::string_view> named;
  std::map<std::string, std::uint64_t> runs;  // of bytes, by image
  std::uint64_t held = 0;
  const auto add = [&](const File& file) {
    if (const auto name = UnlinkedOf(file)) {
      const Unlinked& it = *name->file;
      const auto [known, fresh] = file_of.try_emplace(it.id, it.link_of.value_or(it.id.value));
      Held& of = files[known->second];
      of.names.insert(it.id);
      of.own += IsOwn(file.flags) ? 1 : 0;
      for (const ContentRun& part : it.content) ++of.runs[part.source.image];
    } else if (const auto link = LinkedOf(file)) {
      links.emplace(link->path->bytes, link->link->bytes);
      held += IsOwn(file.flags) ? 1 : 0;
    } else if (const auto* regular = As<RegularFile>(file)) {
      named.insert(regular->path.bytes);
    }
  };
  for (const Command& command : program) {
    ForEachSource(command.body, [&](const ImageSpan& it, std::uint64_t) { ++runs[it.image]; });
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open != nullptr) ForEachOpened(*open, [&](Fd, const File& file, bool) { add(file); });
  }
  if (files.empty() && links.empty()) return 0;
  for (const auto& [id, file] : files) {
    const auto released = static_cast<std::uint64_t>(std::ranges::count_if(
        file.runs, [&](const auto& own) { return runs.at(own.first) == own.second; }));
    const std::uint64_t made = file.names.size() + file.own;
    held += made - std::min(made, released);
  }
  constexpr std::uint64_t kOthers = 64;  // folders, what is mapped, one that is just being filled
  return held + links.size() + runs.size() + named.size() + kOthers;
}

}  // namespace crgen::preflight
