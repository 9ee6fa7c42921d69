// SPDX-License-Identifier: Apache-2.0
// Images out of an archive: of an image folder, of the folder above it, or the exports of Podman
// and CRI-O, which have the images in `checkpoint/`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "images/source/image_source.h"
#include "images/source/new_folder.h"
#include "model/diagnostics.h"

namespace crgen {

/// What of an archive is held in memory. Who has more unpacks it and gives the folder.
namespace archive_bound {
inline constexpr std::uint64_t kHeld = std::uint64_t{1} << 30;   ///< bytes of framed images
inline constexpr std::uint64_t kPages = std::uint64_t{4} << 30;  ///< of pages, if some are compared
inline constexpr std::uint64_t kHoles = 1 << 20;                 ///< of one framed image
/// Bytes of pages that begin as an ELF file does: vdsos, which are asked for.
inline constexpr std::uint64_t kElf = std::uint64_t{64} << 20;
}  // namespace archive_bound

/// The archive at `path`, of a format that ArchiveReader knows. Nothing is unpacked: framed images
/// are held in memory; of pages, and of what is in a tmpfs, only the sizes are, until somebody asks
/// for their bytes, who then gets them from memory too.
/// `extract` (may be nullptr; created, empty): gets the files that a restore reads, by their names
/// in the image folder, and pages are read from there.
/// `digests`: DigestOf() answers for what a restore reads; the sums are made while the archive goes
/// past, whose pages are not kept for them.
/// A set of images whose folder is `parent/` in that of another one is its parent.
/// nullptr (reported): what ArchiveReader refuses, no images or more than one folder of them,
/// errors of the system.
std::unique_ptr<ImageSource> OpenArchive(const std::string& path, NewFolder* extract,
                                         Diagnostics& diag, bool digests = false);

/// The same of an archive in memory, for tests and fuzzing.
std::unique_ptr<ImageSource> OpenArchiveBytes(std::string bytes, NewFolder* extract,
                                              Diagnostics& diag, bool digests = false);

}  // namespace crgen
