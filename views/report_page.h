// SPDX-License-Identifier: Apache-2.0
// What views/report/ has: the page with places that are filled in, its style, its script. Private
// to views/.
#pragma once

namespace crgen {

extern const char kReportPage[];
extern const char kReportStyle[];
extern const char kReportScript[];

}  // namespace crgen
