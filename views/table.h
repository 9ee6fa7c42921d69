// SPDX-License-Identifier: Apache-2.0
// Columns of text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "views/view.h"

namespace crgen {

enum class Ink {
  kPlain,
  kHeading,
  kMissing,  ///< what no program says
};

/// Appends one line. The text may come from outside: it is escaped, cut to the width, and gets its
/// colour, here and nowhere else.
void WriteLine(std::string_view text, Ink ink, const ViewOptions& options, std::string* out);

/// Appends `text`, escaped, in as many lines as it takes; `indent` blanks are before the further
/// ones.
void WriteWrapped(std::string_view text, std::size_t indent, const ViewOptions& options,
                  std::string* out);

/// Rows whose cells stand below each other. Where there is not room for all, the widest are cut
/// inside, those first that yield.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string_view title;
    Align align = Align::kLeft;
    bool yields = false;  ///< it is cut before others are
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell for each column.
  void Add(std::vector<std::string> cells, Ink ink = Ink::kPlain);
  bool IsEmpty() const { return rows_.empty(); }
  /// With `indent` blanks before each line; nothing if there are no rows.
  void Write(std::size_t indent, const ViewOptions& options, std::string* out) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    Ink ink;
  };
  std::string Line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                   std::size_t indent) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace crgen
