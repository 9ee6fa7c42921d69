// SPDX-License-Identifier: Apache-2.0
// From the images of a dump to the snapshot: the one place that sees both.
// This folder may include: model.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "images/source/image_source.h"
#include "model/diagnostics.h"
#include "model/page_reader.h"
#include "model/snapshot.h"
#include "model/unplanned.h"

namespace crgen {

/// Called now and then with how many of how many image files are read.
using LoadProgress = std::function<void(std::size_t done, std::size_t total)>;

struct LoadOptions {
  LoadProgress progress = {};
  unsigned threads = 1;  ///< above 1: so many read images ahead of the one that converts them
  /// Namespaces of the tree's own may be left out: those of the caller of a restore take their
  /// place. Without it they are essential, for every path and number in the dump means another
  /// thing outside of them.
  bool caller_namespaces = false;
  Unplanned* unplanned =
      nullptr;  ///< if not null, gets the descriptors and areas that are left out
};

/// Reads the image set `source` (x86-64, CRIU 3.17 to 4.2) and checks it for consistency.
/// Reports every problem of the dump, each with its image, entry and field:
///   kError        wrong framing, impossible value, a missing image, a reference that leads nowhere
///   kUnsupported  what no command can say; it is left out of the snapshot
///   kWarning      files that belong to nothing
/// kError is returned if there was an error. `*snapshot` has then what could be read: its
/// references lead somewhere, but it is no tree that anybody may rebuild. Nothing is in it if not
/// even the tree can be read, or (without options.unplanned) the inventory, or if that is of a form
/// that is not known. The result does not depend on options.threads. Cost:
/// linear in the bytes of the images; pages are located, not read.
Result LoadDump(ImageSource& source, Snapshot* snapshot, Diagnostics& diag,
                const LoadOptions& options = {});

/// Reads pstree.img alone (and core images where they are there: zombies, subreapers).
Result LoadTree(ImageSource& source, TreeSnapshot* tree, Diagnostics& diag);

/// Reads the files of a dump by the names that a plan has for them: "parent/pages-1.img".
class PageImages {
 public:
  /// `source` must outlive it.
  explicit PageImages(ImageSource& source) : source_(source) {}

  /// Fills `out` from `image` at byte `offset`.
  Result Read(const std::string& image, std::uint64_t offset, std::span<char> out,
              Diagnostics& diag);

  /// How many bytes from `offset` on are in a hole; 0: none, or nobody knows.
  std::uint64_t HoleAt(const std::string& image, std::uint64_t offset);

  /// Says of each of `names` how large it is and, if asked for, what its digest is: `threads` of
  /// them at once. kError: one cannot be read.
  Result Describe(const std::vector<std::string>& names, bool digests, unsigned threads,
                  std::vector<ImageFile>* files, Diagnostics& diag);

 private:
  /// The set that `image` is in, and its name there; null (reported): there is none.
  ImageSource* SetOf(const std::string& image, std::string* name, Diagnostics& diag);

  ImageSource& source_;
  std::vector<std::unique_ptr<ImageSource>> parents_;
};

/// Reads pages of `source`, which must outlive it.
PageReader PageReaderOf(ImageSource& source);

}  // namespace crgen
