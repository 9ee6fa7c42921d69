// SPDX-License-Identifier: Apache-2.0
// In what two dumps, or what two programs end in, differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/diagnostics.h"
#include "views/view.h"

namespace crgen {

/// One of the two.
struct DiffSide {
  LookedAt dump;  ///< without `read_page`: nobody has its images
  std::string name;
};

struct DiffOptions {
  bool same_meaning = false;     ///< object numbers up to renaming, clocks within the tolerance
  std::uint64_t tolerance = 60;  ///< seconds
  bool same_images = false;      ///< one place in an image of both has the same bytes
  std::optional<Pid> pid = std::nullopt;  ///< of this process alone
};

enum class Aspect { kDump, kProcess, kThread, kAttribute, kDescriptor, kRegion, kPages, kCgroup };

/// One thing that is not the same.
struct Difference {
  Aspect aspect = Aspect::kDump;
  std::optional<Pid> pid = std::nullopt;  ///< none: of no process
  std::string where = {};                 ///< "fd 3"; empty: the process
  std::string field = {};                 ///< as programs call it, "pos"; empty: what `where` names
  std::string before = {};
  std::string after = {};
  std::size_t more = 0;                   ///< entries of the same list that differ too
  std::uint64_t pages = 0;                ///< kPages
  std::vector<AddressRange> ranges = {};  ///< kPages: addresses, or offsets in what is shared
};

struct Differences {
  std::vector<Difference> list;           ///< by process: those of `before` first, in their order
  std::vector<std::string> not_compared;  ///< one line each
};

/// Every difference of the two, that of a thing which several processes share once. `diag` gets
/// what could not be read. Cost: linear in both, and in the bytes of pages that lie in other
/// places.
Differences Diff(const DiffSide& before, const DiffSide& after, const DiffOptions& options,
                 Diagnostics& diag);

/// One line for each, for people.
std::string DiffText(const Differences& differences, const ViewOptions& options);

/// The same as one JSON object: schema/diff.schema.json.
std::string DiffJson(const Differences& differences);

}  // namespace crgen
