// SPDX-License-Identifier: Apache-2.0
// Pictures: boxes, lines and text as SVG 1.1, in the colours of the reader's system. Private to
// views/.
#pragma once

#include <string>
#include <string_view>

namespace crgen {

struct Point {
  int x = 0, y = 0;  ///< pixels, y downwards
};

class Svg {
 public:
  enum class Style { kPlain, kFrame, kInner, kDashed, kFolded, kFilled, kWait };

  /// `about`: what is said of it where a pointer rests on it; may have lines.
  void Box(Point at, int width, int height, Style style, std::string_view about = "");
  /// `text` may come from outside: it is escaped, and cut to so many characters. `faint`: of less
  /// weight.
  void Text(Point at, std::string_view text, std::size_t most, bool faint = false);
  /// On a box that is filled.
  void TextOnFilled(Point at, std::string_view text);
  /// From above to below. `arrow`: in the colour of what is pointed out, with a tip.
  void Line(Point from, Point to, bool arrow = false);
  /// Down, then to the right.
  void Elbow(Point from, Point to);
  /// An arrow between two points at the right of everything.
  void Around(Point from, Point to);
  /// The whole file. `title`: what it is, for who does not see it.
  std::string File(int width, int height, std::string_view title) const;

 private:
  std::string frames_, lines_, boxes_, texts_;  // in this order, one above the other
};

/// `text` for XML 1.0: no markup, no control characters, at most `most` characters.
std::string XmlText(std::string_view text, std::size_t most);

}  // namespace crgen
