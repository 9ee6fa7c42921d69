// SPDX-License-Identifier: Apache-2.0
#include "views/table.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "model/printable.h"

namespace crgen {
namespace {

constexpr std::string_view kCut = "…";

/// Columns are not made narrower than this, nor than their titles, for others.
constexpr std::size_t kNarrowest = 12;

struct CodeRange {
  std::uint32_t first, last;
};
/// Unicode Standard Annex 11: what terminals show in two places.
constexpr CodeRange kWide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},  {0xa960, 0xa97c}, {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},  {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
/// What stands over or in the character before it.
constexpr CodeRange kZero[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd},  {0x0610, 0x061a}, {0x064b, 0x065f},
    {0x0900, 0x0902}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},  {0x200b, 0x200d}, {0x20d0, 0x20ff},
    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef}};

bool IsIn(std::span<const CodeRange> ranges, std::uint32_t code) {
  return std::ranges::any_of(
      ranges, [&](const CodeRange& it) { return code >= it.first && code <= it.last; });
}

/// Where the character that `at` is in ends.
std::size_t EndOf(std::string_view text, std::size_t at) {
  do ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  return at;
}

/// How many places one character of UTF-8 takes.
std::size_t PlacesOf(std::string_view character) {
  if (character.size() == 1) return 1;
  std::uint32_t code = static_cast<unsigned char>(character[0]) & (0xffU >> (character.size() + 1));
  for (const char byte : character.substr(1)) code = code << 6 | (byte & 0x3f);
  return IsIn(kZero, code) ? 0 : IsIn(kWide, code) ? 2 : 1;
}

std::size_t Width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0, end; at < text.size(); at = end) {
    end = EndOf(text, at);
    width += PlacesOf(text.substr(at, end - at));
  }
  return width;
}

/// How many bytes of the beginning fit into `columns`.
std::size_t Fitting(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  for (std::size_t end, width = 0; at < text.size(); at = end) {
    end = EndOf(text, at);
    width += PlacesOf(text.substr(at, end - at));
    if (width > columns) break;
  }
  return at;
}

std::string Cut(std::string_view text, std::size_t columns) {
  if (columns == 0 || Width(text) <= columns) return std::string(text);
  return std::string(text.substr(0, Fitting(text, columns - 1))) + std::string(kCut);
}

/// Without its middle: of a path the beginning and the end say most.
std::string CutInside(std::string_view text, std::size_t columns) {
  const std::size_t width = Width(text);
  if (width <= columns) return std::string(text);
  const std::size_t head = (columns - 1) / 2;
  const std::size_t from = Fitting(text, head);
  const std::size_t lost = width - (columns - 1) + (head - Width(text.substr(0, from)));
  std::size_t to = from;
  while (to < text.size() && Width(text.substr(from, to - from)) < lost) to = EndOf(text, to);
  return std::string(text.substr(0, from)) + std::string(kCut) + std::string(text.substr(to));
}

}  // namespace

void WriteWrapped(std::string_view text, std::size_t indent, const ViewOptions& options,
                  std::string* out) {
  const std::string printable = Printable(text);
  std::string_view rest = printable;
  std::size_t blanks = 0;
  while (options.columns > indent && Width(rest) + blanks > options.columns) {
    std::size_t end = Fitting(rest, options.columns - blanks);
    const std::size_t space = rest.substr(0, end + 1).rfind(' ');
    if (space != rest.npos && rest.substr(0, space).find_first_not_of(' ') != rest.npos) {
      end = space;
    }
    if (end == 0) break;
    out->append(blanks, ' ');
    out->append(rest.substr(0, end));
    out->append("\n");
    rest.remove_prefix(end);
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    blanks = indent;
  }
  out->append(blanks, ' ');
  out->append(rest);
  out->append("\n");
}

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
    const std::string cell = CutInside(cells[i], widths[i]);
    const std::string blanks(widths[i] - std::min(widths[i], Width(cell)), ' ');
    if (i != 0) line += "  ";
    line += columns_[i].align == Align::kRight ? blanks + cell : cell + blanks;
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
  std::size_t all = indent + 2 * (widths.size() - 1);
  for (const std::size_t width : widths) all += width;
  // The widest give way, so that all columns are there.
  while (options.columns != 0 && all > options.columns) {
    const auto widest_of = [&](bool yields) {
      std::size_t widest = widths.size(), most = 0;
      for (std::size_t i = 0; i < widths.size(); ++i) {
        if (yields && !columns_[i].yields) continue;
        if (widths[i] <= std::max(kNarrowest, Width(titles[i])) || widths[i] <= most) continue;
        widest = i;
        most = widths[i];
      }
      return widest;
    };
    std::size_t widest = widest_of(true);
    if (widest == widths.size()) widest = widest_of(false);
    if (widest == widths.size()) break;
    --widths[widest];
    --all;
  }
  WriteLine(Line(titles, widths, indent), Ink::kHeading, options, out);
  for (const Row& row : rows_) WriteLine(Line(row.cells, widths, indent), row.ink, options, out);
}

}  // namespace crgen
