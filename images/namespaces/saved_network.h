// SPDX-License-Identifier: Apache-2.0
// What programs of the system have saved of a network namespace. They get it back as it is: so much
// is looked at that something cut or spoilt is told here, and not by them amid a restore.
#pragma once

#include <string_view>

#include "images/load/loader.h"

namespace crgen {

/// The bytes of image `name`, of a kind of kNetImages: not empty. kError: reported.
Result CheckSavedNetwork(std::string_view kind, std::string_view content, const std::string& name,
                         Diagnostics& diag);

}  // namespace crgen
