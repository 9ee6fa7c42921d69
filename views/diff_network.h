// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace crgen {

/// What an image of a network namespace, of `kind` in kNetImages, says without what every dump says
/// otherwise: numbers of messages, dates in comments, counters of packets, times that are left to
/// addresses, routes and connections, and in what order the kernel keeps connections.
std::string NetworkMeaning(std::string_view kind, std::string content);

}  // namespace crgen
