// SPDX-License-Identifier: Apache-2.0
// The reference of the language: what its tables say of commands and members, for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace crgen {

/// One member of an object.
struct FieldRow {
  std::string_view name;
  std::string kind;  ///< "integer", "array of names"
  bool required;
  std::string_view note;
};

/// Whoever gives the reference a form. Titles, texts and notes mark words of the language by
/// backticks.
class ReferenceWriter {
 public:
  virtual ~ReferenceWriter() = default;
  virtual void Section(std::string_view title) = 0;
  virtual void Subsection(std::string_view title) = 0;
  virtual void Text(std::string_view text) = 0;
  /// The members of the object of this section; perhaps none.
  virtual void Fields(const std::vector<FieldRow>& rows) = 0;
};

/// Walks through all commands, files, late states, parts and attributes.
void WriteReference(ReferenceWriter& out);

/// The reference as a page in Markdown.
std::string CommandReference();

}  // namespace crgen
