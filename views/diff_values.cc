// SPDX-License-Identifier: Apache-2.0
// The comparison of single values: by their tables, but for what is a number, a clock, or bytes
// elsewhere.
#include <algorithm>

#include "model/printable.h"
#include "views/diff_network.h"
#include "views/diff_parts.h"

namespace crgen {
namespace {

constexpr std::size_t kBytesAtOnce = 64 * kPageSize;

/// So much of a value is shown: the rest of a difference has to be seen too.
std::string Short(const std::string& text) {
  constexpr std::size_t kShown = 100;
  if (text.size() <= kShown) return text;
  std::size_t end = kShown;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string BytesText(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

}  // namespace

std::string KeyOf(const SignalAction& action) { return ValueText(action.signal); }
std::string KeyOf(const Rlimit& limit) { return ValueText(limit.resource); }
std::string KeyOf(const PosixTimer& timer) { return std::to_string(timer.id); }
std::string KeyOf(const TlsDescriptor& entry) { return std::to_string(entry.entry_number); }
std::string KeyOf(const CgroupPath& path) { return path.controllers; }
std::string KeyOf(const CgroupProperty& property) { return property.name; }
std::string KeyOf(const InotifyWatch& watch) { return std::to_string(watch.wd); }
std::string KeyOf(const Mount& mount) { return mount.mountpoint.bytes; }
std::string KeyOf(const IdRange& range) { return std::to_string(range.inside); }
std::string KeyOf(const ShmSegment& segment) { return std::to_string(segment.id); }
std::string KeyOf(const MsgQueue& queue) { return std::to_string(queue.id); }
std::string KeyOf(const SemSet& set) { return std::to_string(set.id); }

void ValueDiffer::Add(const Place& place, const std::string& field, const std::string& before,
                      const std::string& after, std::size_t more) {
  Difference difference = {place.aspect, place.pid, place.where, field};
  difference.before = Short(before);
  difference.after = Short(after);
  // One that only looks the same: a number of another thing, or longer than what is shown.
  if (difference.before == difference.after) difference.after.insert(0, "another ");
  difference.more = more;
  found_.list.push_back(std::move(difference));
}

bool ValueDiffer::SameNumber(std::string_view space, std::uint64_t before, std::uint64_t after) {
  if (!options_.same_meaning) return before == after;
  const auto known = renamings_.find(space);
  Renaming& renaming = known != renamings_.end() ? known->second : renamings_[std::string(space)];
  return renaming.Pair(before, after);
}

bool ValueDiffer::Near(long double before, long double after, long double interval) const {
  long double distance = before < after ? after - before : before - after;
  // A timer that repeats has expired in between, and goes on from the start.
  if (interval > 0 && distance < interval) distance = std::min(distance, interval - distance);
  return distance <= static_cast<long double>(options_.tolerance);
}

bool ValueDiffer::Read(const DiffSide& side, const std::string& image, std::uint64_t offset,
                       std::vector<char>* bytes) {
  return Succeeded(side.dump.read_page(image, offset, *bytes, diag_));
}

ValueDiffer::Content ValueDiffer::SameBytes(const std::string& image, std::uint64_t offset,
                                            const std::string& other_image,
                                            std::uint64_t other_offset, std::uint64_t bytes) {
  if (options_.same_images && image == other_image && offset == other_offset) return Content::kSame;
  if (!before_.dump.read_page || !after_.dump.read_page) {
    bytes_not_compared_ = true;
    return Content::kUnknown;
  }
  std::vector<char> one, other;
  for (std::uint64_t at = 0; at < bytes; at += one.size()) {
    at += CommonHole(bytes - at, {{before_.dump.read_page, image, offset + at},
                                  {after_.dump.read_page, other_image, other_offset + at}});
    if (at == bytes) break;
    one.resize(std::min<std::uint64_t>(bytes - at, kBytesAtOnce));
    other.resize(one.size());
    const bool same = Read(before_, image, offset + at, &one) &&
                      Read(after_, other_image, other_offset + at, &other) && one == other;
    if (!same) return Content::kOther;
  }
  return Content::kSame;
}

void ValueDiffer::CompareInner(const Place& place, const std::string& field,
                               const ImageBytes& before, const ImageBytes& after) {
  if (before.bytes != after.bytes)
    return Add(place, field, BytesText(before.bytes), BytesText(after.bytes));
  if (SameBytes(before.image, before.offset, after.image, after.offset, before.bytes) ==
      Content::kOther) {
    Add(place, field, BytesText(before.bytes), "as many other bytes");
  }
}

void ValueDiffer::CompareInner(const Place& place, const std::string& field,
                               const ContentRun& before, const ContentRun& after) {
  Compare(place, field + ".at", before.at, after.at);
  Compare(place, field, ImageBytes{before.source.image, before.source.offset, before.bytes},
          ImageBytes{after.source.image, after.source.offset, after.bytes});
}

void ValueDiffer::CompareInner(const Place& place, const std::string& field, const Bytes& before,
                               const Bytes& after) {
  const bool alike = before.bytes.size() == after.bytes.size();
  Add(place, field, BytesText(before.bytes.size()),
      alike ? "as many other bytes" : BytesText(after.bytes.size()));
}

void ValueDiffer::CompareInner(const Place& place, const std::string& field,
                               const IntervalTimer& before, const IntervalTimer& after) {
  const auto seconds = [](std::uint64_t whole, std::uint64_t micro) {
    return static_cast<long double>(whole) + static_cast<long double>(micro) / 1e6L;
  };
  const long double one = seconds(before.value_sec, before.value_usec);
  const long double other = seconds(after.value_sec, after.value_usec);
  IntervalTimer same = after;
  if (options_.same_meaning && (one == 0) == (other == 0) &&
      Near(one, other, seconds(before.interval_sec, before.interval_usec))) {
    same.value_sec = before.value_sec;
    same.value_usec = before.value_usec;
  }
  CompareFields(place, field + ".", before, same);
}

void ValueDiffer::CompareInner(const Place& place, const std::string& field,
                               const PosixTimer& before, const PosixTimer& after) {
  const auto seconds = [](std::uint64_t whole, std::uint64_t nano) {
    return static_cast<long double>(whole) + static_cast<long double>(nano) / 1e9L;
  };
  const long double one = seconds(before.value_sec, before.value_nsec);
  const long double other = seconds(after.value_sec, after.value_nsec);
  PosixTimer same = after;
  if (options_.same_meaning && (one == 0) == (other == 0) &&
      Near(one, other, seconds(before.interval_sec, before.interval_nsec))) {
    same.value_sec = before.value_sec;
    same.value_nsec = before.value_nsec;
  }
  CompareFields(place, field + ".", before, same);
}

void ValueDiffer::CompareInner(const Place& place, const std::string& field,
                               const ClockReading& before, const ClockReading& after) {
  const auto seconds = [](const ClockReading& clock) {
    return static_cast<long double>(clock.sec) + static_cast<long double>(clock.nsec) / 1e9L;
  };
  if (options_.same_meaning && Near(seconds(before), seconds(after))) return;
  CompareFields(place, field + ".", before, after);
}

void ValueDiffer::CompareInner(const Place& place, const std::string& field,
                               const TcpStream& before, const TcpStream& after) {
  TcpStream same = after;
  if (options_.same_meaning) {
    // The kernel's clock of timestamps, and which segment told the window last.
    if (before.timestamp && same.timestamp) same.timestamp = before.timestamp;
    if (before.window && same.window) same.window->snd_wl1 = before.window->snd_wl1;
  }
  CompareFields(place, field + ".", before, same);
}

void ValueDiffer::CompareInner(const Place& place, const std::string& field,
                               const NetNamespace& before, const NetNamespace& after) {
  NetNamespace first = before, same = after;
  const auto rename = [&](std::uint64_t one, std::uint64_t* other) {
    if (SameNumber("namespace", one, *other)) *other = one;
  };
  for (std::size_t i = 0; i < std::min(before.nsids.size(), same.nsids.size()); ++i) {
    rename(before.nsids[i].net, &same.nsids[i].net);
  }
  for (std::size_t i = 0; i < std::min(before.devices.size(), same.devices.size()); ++i) {
    const std::optional<std::uint64_t>& one = before.devices[i].link_net;
    if (one && same.devices[i].link_net) rename(*one, &*same.devices[i].link_net);
  }
  for (const NetImageRow& row : kNetImages) {
    std::optional<ImageBytes>&image = first.*row.image, &other = same.*row.image;
    if (!options_.same_meaning || !image || !other || !SameNetwork(row, *image, *other)) continue;
    image.reset();
    other.reset();
  }
  CompareNamespace(place, field, first, std::move(same));
}

bool ValueDiffer::SameNetwork(const NetImageRow& row, const ImageBytes& before,
                              const ImageBytes& after) {
  if (!before_.dump.read_page || !after_.dump.read_page) return false;
  if (std::max(before.bytes, after.bytes) > kNetImageAtMost) return false;
  std::vector<char> one(before.bytes), other(after.bytes);
  return Read(before_, before.image, before.offset, &one) &&
         Read(after_, after.image, after.offset, &other) &&
         NetworkMeaning(row.kind, {one.data(), one.size()}) ==
             NetworkMeaning(row.kind, {other.data(), other.size()});
}

void ValueDiffer::CompareInner(const Place& place, const std::string& field, const Mount& before,
                               const Mount& after) {
  Mount first = before, same = after;
  const auto rename = [&](std::string_view space, std::uint64_t one, std::uint64_t* other) {
    if (SameNumber(space, one, *other)) *other = one;
  };
  rename("mount", before.id, &same.id);
  if (before.parent && same.parent) rename("mount", *before.parent, &*same.parent);
  if (before.namespace_id && same.namespace_id)
    rename("mount namespace", *before.namespace_id, &*same.namespace_id);
  if (before.superblock && same.superblock)
    rename("superblock", *before.superblock, &*same.superblock);
  if (options_.same_meaning && before.content && same.content) {
    // An archive has the times of its files: that two of them differ says nothing of what is in it.
    const ImageBytes &one = *before.content, &other = *after.content;
    if (one.bytes != other.bytes ||
        SameBytes(one.image, one.offset, other.image, other.offset, one.bytes) != Content::kSame) {
      bytes_not_compared_ = true;
    }
    first.content.reset();
    same.content.reset();
  }
  CompareFields(place, field + ".", first, same);
}

}  // namespace crgen
