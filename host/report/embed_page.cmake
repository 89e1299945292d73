# cmake -DFOLDER=host/report -DOUTPUT=page.cpp -P embed_page.cmake: joins the page's files and writes them as C++.
# Compilers need not take a string literal above 64 KiB, and some take none above 16: the text is cut into pieces.
file(READ ${FOLDER}/page.html page)
foreach(part page.css charts.js page.js)
  file(READ ${FOLDER}/${part} text)
  string(FIND "${page}" "/* ${part} */" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${FOLDER}/page.html: expected a place for ${part}, found none")
  endif()
  string(REPLACE "/* ${part} */" "${text}" page "${page}")
endforeach()
# A piece that ends in the middle of a character would be no text.
string(REGEX MATCH "[^\n -~]" foreign "${page}")
if(NOT foreign STREQUAL "")
  message(FATAL_ERROR "${FOLDER}: expected ASCII in the page, found ${foreign}")
endif()

set(pieces "")
string(LENGTH "${page}" length)
set(begin 0)
while(begin LESS length)
  string(SUBSTRING "${page}" ${begin} 8000 piece)
  string(APPEND pieces "    R\"page(${piece})page\",\n")
  math(EXPR begin "${begin} + 8000")
endwhile()
file(WRITE ${OUTPUT} "#include \"host/report/page.h\"

namespace softwarp {

std::string report_page() {
  static constexpr std::string_view kPieces[] = {
${pieces}  };
  std::string page;
  for (const std::string_view piece : kPieces) page += piece;
  return page;
}

}  // namespace softwarp
")
