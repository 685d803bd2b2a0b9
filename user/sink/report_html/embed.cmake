# SPDX-License-Identifier: MIT
# Makes the header TO of the page in the folder FROM. The scripts become one, in this order.
set(scripts words data filters details activity lanes view summary main)

set(style)
set(script)
file(READ ${FROM}/page.html page)
file(READ ${FROM}/style.css style)
foreach(name IN LISTS scripts)
  file(READ ${FROM}/${name}.js text)
  string(APPEND script "${text}")
endforeach()

set(header "// Made of user/sink/report_html by embed.cmake.\n#pragma once\n\n#include <string_view>\n\nnamespace bindtrace {\n")
foreach(what page style script)
  string(SUBSTRING ${what} 0 1 initial)
  string(TOUPPER ${initial} initial)
  string(SUBSTRING ${what} 1 -1 rest)
  string(APPEND header "\ninline constexpr std::string_view kReport${initial}${rest} = R\"embedded(${${what}})embedded\";\n")
endforeach()
file(WRITE ${TO} "${header}\n}  // namespace bindtrace\n")
