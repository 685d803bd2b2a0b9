// SPDX-License-Identifier: MIT
// A report as one page that needs nothing else: report_html/ with the data in it.
//
// The data are one JSON in a <script>, in which no '<' is left: whatever a process, a unit or a host is called, it
// cannot end that element. The page makes text of it, never markup; and should that ever fail, its policy allows the
// one script that it comes with, by its hash, and no request to anywhere.
#pragma once

#include <string>

#include "report/lane.h"

namespace bindtrace {

void append_report_html(std::string& out, Summary summary, const Drawing& drawing);

// The data alone.
void append_page_data(std::string& out, Summary summary, const Drawing& drawing);

}  // namespace bindtrace
