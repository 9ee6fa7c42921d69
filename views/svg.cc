// SPDX-License-Identifier: Apache-2.0
#include "views/svg.h"

#include <algorithm>
#include <cstdlib>

#include "model/printable.h"

namespace crgen {
namespace {

constexpr std::string_view kStyle =
    "<style>\n"
    "svg{background:#fff;font:13px sans-serif}\n"
    "rect{fill:#fff;stroke:#4a5560}\n"
    "rect.frame{fill:#f2f5f8;stroke:#b8c0c8}\n"
    "rect.inner{fill:#fff;stroke:#c8cfd6}\n"
    "rect.dashed{stroke-dasharray:5 3;stroke:#b3261e}\n"
    "rect.folded{fill:#e7ebef;stroke:none}\n"
    "rect.filled{fill:#2f7d4f;stroke:none}\n"
    "text.on{fill:#fff;font-size:10px}\n"
    "text{fill:#1b1f24}\n"
    "text.faint{fill:#5a6470;font-size:11px}\n"
    "path{fill:none;stroke:#7a8590}\n"
    "path.adoption{stroke:#8a5cc2;stroke-dasharray:4 3;marker-end:url(#tip)}\n"
    "#tip path{fill:#8a5cc2;stroke:none}\n"
    "@media (prefers-color-scheme:dark){\n"
    "svg{background:#15181c}rect{fill:#15181c;stroke:#a3adb8}\n"
    "rect.frame{fill:#1e2328;stroke:#353c45}rect.inner{fill:#15181c;stroke:#353c45}\n"
    "rect.dashed{stroke:#ff8a80}rect.folded{fill:#2a3038}rect.filled{fill:#5fbf86}text.on{fill:#"
    "10150f}\n"
    "text{fill:#e6e9ec}text.faint{fill:#a3adb8}path{stroke:#7a8590}}\n"
    "</style>\n"
    "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" "
    "markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n";

std::string Number(std::string_view name, int value) {
  return " " + std::string(name) + "=\"" + std::to_string(value) + "\"";
}

/// Each line as XmlText() has it.
std::string XmlLines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += (out.empty() ? "" : "\n") + XmlText(text.substr(0, end), 200);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string PointText(Point at) { return std::to_string(at.x) + " " + std::to_string(at.y); }

}  // namespace

std::string XmlText(std::string_view text, std::size_t most) {
  const std::string printable = Printable(text);
  std::string out;
  std::size_t characters = 0;
  for (std::size_t i = 0; i < printable.size(); ++i) {
    const char byte = printable[i];
    const bool starts = (byte & 0xc0) != 0x80;
    if (starts && characters == most) return out + "…";
    characters += starts ? 1 : 0;
    const std::string_view rest = std::string_view(printable).substr(i, 3);
    if (rest == "\xef\xbf\xbe" || rest == "\xef\xbf\xbf") {  // no characters of XML
      out += '?';
      i += 2;
    } else if (byte == '<') {
      out += "&lt;";
    } else if (byte == '>') {
      out += "&gt;";
    } else if (byte == '&') {
      out += "&amp;";
    } else if (byte == '"') {
      out += "&quot;";
    } else {
      out += byte;
    }
  }
  return out;
}

void Svg::Box(Point at, int width, int height, Style style, std::string_view about) {
  constexpr const char* kClasses[] = {"",       "frame",  "inner",      "dashed",
                                      "folded", "filled", "dashed wait"};
  (style == Style::kFrame || style == Style::kInner ? frames_ : boxes_) +=
      "<rect class=\"" + std::string(kClasses[static_cast<int>(style)]) + "\"" + Number("x", at.x) +
      Number("y", at.y) + Number("width", width) + Number("height", height) + " rx=\"" +
      (width < 12 ? "1" : "4") + "\"" +
      (about.empty() ? "/>\n" : "><title>" + XmlLines(about) + "</title></rect>\n");
}

void Svg::Text(Point at, std::string_view text, std::size_t most, bool faint) {
  texts_ += "<text" + std::string(faint ? " class=\"faint\"" : "") + Number("x", at.x) +
            Number("y", at.y) + ">" + XmlText(text, most) + "</text>\n";
}

void Svg::TextOnFilled(Point at, std::string_view text) {
  texts_ += "<text class=\"on\"" + Number("x", at.x) + Number("y", at.y) + ">" +
            XmlText(text, text.size()) + "</text>\n";
}

void Svg::Line(Point from, Point to, bool arrow) {
  const int bend = std::max(16, std::abs(to.y - from.y) / 2);
  lines_ += "<path" + std::string(arrow ? " class=\"adoption\"" : "") + " d=\"M" + PointText(from) +
            "C" + PointText({from.x, from.y + bend}) + " " + PointText({to.x, to.y - bend}) + " " +
            PointText(to) + "\"/>\n";
}

void Svg::Elbow(Point from, Point to) {
  lines_ += "<path d=\"M" + PointText(from) + "V" + std::to_string(to.y) + "H" +
            std::to_string(to.x) + "\"/>\n";
}

void Svg::Around(Point from, Point to) {
  const int bend = std::max(from.x, to.x) + 40;
  lines_ += "<path class=\"adoption\" d=\"M" + PointText(from) + "C" + PointText({bend, from.y}) +
            " " + PointText({bend, to.y}) + " " + PointText(to) + "\"/>\n";
}

std::string Svg::File(int width, int height, std::string_view title) const {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\"" + Number("width", width) +
         Number("height", height) + " viewBox=\"0 0 " + std::to_string(width) + " " +
         std::to_string(height) + "\" role=\"img\">\n<title>" + XmlText(title, 200) + "</title>\n" +
         std::string(kStyle) + frames_ + lines_ + boxes_ + texts_ + "</svg>\n";
}

}  // namespace crgen
