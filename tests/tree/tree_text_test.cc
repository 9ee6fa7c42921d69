// SPDX-License-Identifier: Apache-2.0
// The string notation: what is read is what is printed, and errors say where.
#include "model/tree_text.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/print_tree.h"

namespace crgen {
namespace {

using test::PrintTree;

std::string Parsed(const std::string& text) {
  TreeSnapshot snapshot;
  Diagnostics diag;
  if (Failed(ParseTree(text, &snapshot, diag))) {
    EXPECT_TRUE(snapshot.nodes.empty());
    return diag.entries()[0].where + ": " + diag.entries()[0].what;
  }
  return PrintTree(snapshot);
}

TEST(TreeTextTest, PrintsWhatItRead) {
  for (const char* text : {"1 1 1 []", "1 1 1 [ 3 3 3 [ 4 4 3 [] ] ]",
                           "7 7 7 r [ 8 8 7 z [] 9 8 7 t=5,6 [] ]", "5 0 0 z r t=4194303 []"}) {
    EXPECT_EQ(Parsed(text), text);
  }
  EXPECT_EQ(Parsed(" 1\t1 1z[2 1 1r t= 7 , 8[]\n]  "),
            "line 1, column 21: Parsing error: found ',', "
            "expected '[' or a mark: 'z', 'r' or 't=', "
            "each at most once");
  EXPECT_EQ(Parsed(" 1\t1 1[2 1 1r t= 7,8[]\n]  "), "1 1 1 [ 2 1 1 r t=7,8 [] ]");
}

TEST(TreeTextTest, ErrorsHaveLineColumnAndExpectation) {
  EXPECT_EQ(Parsed(""),
            "line 1, column 1: Parsing error: found the end of the text, expected a pid "
            "(1 to 4194303)");
  EXPECT_EQ(Parsed("1 1"),
            "line 1, column 4: Parsing error: found the end of the text, expected a "
            "sid (0 to 4194303)");
  EXPECT_EQ(Parsed("1 1 1 [\n 2 x"),
            "line 2, column 4: Parsing error: found 'x', expected a pgid (0 "
            "to 4194303)");
  EXPECT_EQ(Parsed("1 1 1 [] 2"),
            "line 1, column 10: Parsing error: found '2', expected the end of "
            "the tree");
  EXPECT_EQ(Parsed("1 1 1 [ ; ]"),
            "line 1, column 9: Parsing error: found ';', expected a pid or "
            "']'");
  EXPECT_EQ(Parsed("0 0 0 []"),
            "line 1, column 1: Parsing error: found 0, expected a pid (1 to "
            "4194303)");
  EXPECT_EQ(Parsed("1 1 99999999999999999999 []"),
            "line 1, column 5: Parsing error: found a number out of range, expected a sid (0 to "
            "4194303)");
  EXPECT_EQ(Parsed("1 1 1 z z []"),
            "line 1, column 9: Parsing error: found 'z', expected '[' or a "
            "mark: 'z', 'r' or 't=', each at most once");
  EXPECT_EQ(Parsed("1 1 1 t 5 []"),
            "line 1, column 8: Parsing error: found ' ', expected '=' after "
            "'t'");
  EXPECT_EQ(Parsed("1 1 1 \xff"),
            "line 1, column 7: Parsing error: found byte 255, expected '[' or a "
            "mark: 'z', 'r' or 't=', each at most once");
}

TEST(TreeTextTest, EveryCutIsAnError) {
  std::string text = "1 1 1 r [ 2 2 2 z t=3,4 [] 5 5 2 [ 6 5 2 [] ] ]";
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_NE(Parsed(text.substr(0, length)).find("Parsing error"), std::string::npos) << length;
  }
}

}  // namespace
}  // namespace crgen
