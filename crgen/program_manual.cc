// SPDX-License-Identifier: Apache-2.0
#include "crgen/program_manual.h"

#include "dsl/reference.h"
#include "terminal/roff.h"

namespace crgen {
namespace {

constexpr std::string_view kDescription =
    "A restore program is a JSON array of commands. Each is one system call, or little more, and "
    "says in `pid` which process executes it; 0 is the restorer, which forks the root and stands "
    "outside of the tree. Executed one after another, they rebuild a process tree.";

constexpr std::string_view kValues =
    "Integers above 2^53-1 are written \"0x…\". A string member x whose bytes are not UTF-8 stands "
    "as `x_base64`. Flags without a name are one more \"0x…\" in the array.";

constexpr std::string_view kExample =
    "[\n"
    "  {\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 10},\n"
    "  {\"command\": \"SET_SID\", \"pid\": 10},\n"
    "  {\"command\": \"EXIT\", \"pid\": 10, \"status\": {\"code\": 0}}\n"
    "]\n";

class ManualReference final : public ReferenceWriter {
 public:
  void Section(std::string_view title) override {
    text_ += ".SS \"" + RoffText(title) + "\"\n";
    section_ = text_.size();
  }
  void Subsection(std::string_view title) override {
    if (text_.size() != section_) text_ += ".PP\n";
    text_ += "\\fI" + RoffText(title) + "\\fR\n";
  }
  void Text(std::string_view text) override { text_ += RoffText(text) + "\n"; }
  void Fields(const std::vector<FieldRow>& rows) override {
    for (const FieldRow& row : rows) {
      text_ += ".TP\n\\fB" + RoffText(row.name) + "\\fR (" + RoffText(row.kind) +
               (row.required ? ", required)\n" : ")\n") + RoffText(row.note) + "\n";
    }
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::size_t section_ = 0;  ///< where the text of the last one begins, which is a paragraph
};

}  // namespace

std::string ProgramManual() {
  ManualReference reference;
  WriteReference(reference);
  return ".\\\" Generated from the tables of the language.\n" +
         RoffTitle("RESTORE-PROGRAM", 5, "crgen " CRGEN_VERSION, "File Formats") +
         ".SH NAME\nrestore\\-program \\- commands that rebuild a checkpointed process tree\n"
         ".SH DESCRIPTION\n" +
         RoffText(kDescription) + "\n.PP\n" + RoffText(kValues) + "\n.SH COMMANDS\n" +
         reference.text() +
         ".SH EXAMPLES\nA process that leads a session, and is a zombie:\n.PP\n" +
         RoffExample(kExample) + ".SH SEE ALSO\n.BR crgen (1),\n.BR crrestore (1),\n.BR criu (8)\n";
}

}  // namespace crgen
