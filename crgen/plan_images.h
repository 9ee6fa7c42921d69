// SPDX-License-Identifier: Apache-2.0
// A plan is bound to its dump: the images that it reads bytes of, and what they are.
#pragma once

#include <string>
#include <vector>

#include "dsl/commands.h"
#include "images/dump.h"
#include "model/diagnostics.h"

namespace crgen {

/// The images that `program` reads bytes of, each once, in the order in which it names them.
std::vector<std::string> ImagesOf(const Program& program);

/// Says in `about.dump` of the root's FORK, if it has `about`, which images those are, how large,
/// and if asked for with which digests; `threads` are read at once. kError (reported): one cannot
/// be read.
Result BindToImages(Program* program, PageImages& images, bool digests, unsigned threads,
                    Diagnostics& diag);

/// Whether some image of `about.dump` has a digest.
bool HasDigests(const Program& program);

/// Adds an error for each image that is not what `about.dump` says, and for another `id` than
/// `dump_id`; a program without one is not bound.
Result CompareImages(const Program& program, const std::string& dump_id, PageImages& images,
                     unsigned threads, Diagnostics& diag);
/// The same for the images in `source`; a warning if nothing there says of which run they are.
Result CompareImages(const Program& program, ImageSource& source, unsigned threads,
                     Diagnostics& diag);

}  // namespace crgen
