// SPDX-License-Identifier: Apache-2.0
// Fields that are newer than this crgen.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "images/image_reader.h"
#include "model/diagnostics.h"

namespace crgen {

/// Reports the fields of `message`, parsed from `bytes`, and of the messages in it, that crgen does
/// not know: one finding for each message and field number, at the first entry that has it. `at`
/// gave the entry last, in the set that `prefix` leads to. Where a message decides where bytes lie,
/// what is mapped or who gets which rights, such a field is essential; elsewhere a warning. Cost:
/// linear in the messages.
void ReportUnknownFields(const google::protobuf::Message& message, std::string_view bytes,
                         const ImageReader& at, const std::string& prefix, Diagnostics& diag);

/// The messages in which such a field is essential, and what is known of newer fields, in Markdown.
std::string UnknownFieldsReference();

}  // namespace crgen
