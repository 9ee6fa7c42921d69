// SPDX-License-Identifier: Apache-2.0
#include "views/table.h"

#include <algorithm>

#include "model/printable.h"

namespace crgen {
namespace {

constexpr std::string_view kCut = "…";

bool BeginsCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

/// Characters of UTF-8, each of which takes one place.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

std::string Cut(std::string_view text, std::size_t columns) {
  if (columns == 0 || Width(text) <= columns) return std::string(text);
  std::size_t at = 0;
  for (std::size_t places = 0; at < text.size(); ++at) {
    if (BeginsCharacter(text[at]) && ++places == columns) break;
  }
  return std::string(text.substr(0, at)) + std::string(kCut);
}

}  // namespace

void WriteLine(std::string_view text, Ink ink, const ViewOptions& options, std::string* out) {
  constexpr std::string_view kPens[] = {"", "\033[1m", "\033[33m"};
  const bool coloured = options.colour && ink != Ink::kPlain;
  if (coloured) out->append(kPens[static_cast<int>(ink)]);
  out->append(Cut(Printable(text), options.columns));
  out->append(coloured ? "\033[0m\n" : "\n");
}

void Table::Add(std::vector<std::string> cells, Ink ink) {
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back({std::move(cells), ink});
}

std::string Table::Line(const std::vector<std::string>& cells,
                        const std::vector<std::size_t>& widths, std::size_t indent) const {
  std::string line(indent, ' ');
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string blanks(widths[i] - std::min(widths[i], Width(cells[i])), ' ');
    if (i != 0) line += "  ";
    line += columns_[i].align == Align::kRight ? blanks + cells[i] : cells[i] + blanks;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

void Table::Write(std::size_t indent, const ViewOptions& options, std::string* out) const {
  if (rows_.empty()) return;
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.emplace_back(column.title);
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(Width(titles[i]));
    for (const Row& row : rows_) widths[i] = std::max(widths[i], Width(row.cells[i]));
  }
  widths.back() = columns_.back().align == Align::kRight ? widths.back() : 0;
  WriteLine(Line(titles, widths, indent), Ink::kHeading, options, out);
  for (const Row& row : rows_) WriteLine(Line(row.cells, widths, indent), row.ink, options, out);
}

}  // namespace crgen
