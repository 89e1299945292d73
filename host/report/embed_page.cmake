# cmake -DPAGE=host/report/page.html -DFUNCTION=report_page -DOUTPUT=page.cpp -P embed_page.cmake: joins a page's files
# and writes them as C++. In the page, /* name */ is the place of a file beside it.
# Compilers need not take a string literal above 64 KiB, and some take none above 16: the text is cut into pieces.
get_filename_component(folder ${PAGE} DIRECTORY)
file(READ ${PAGE} page)
string(REGEX MATCHALL "/\\* [a-z]+\\.[a-z]+ \\*/" places "${page}")
foreach(place ${places})
  string(REGEX REPLACE "/\\* (.*) \\*/" "\\1" part "${place}")
  file(READ ${folder}/${part} text)
  string(REPLACE "${place}" "${text}" page "${page}")
endforeach()
# A piece that ends in the middle of a character would be no text.
string(REGEX MATCH "[^\n -~]" foreign "${page}")
if(NOT foreign STREQUAL "")
  message(FATAL_ERROR "${PAGE}: expected ASCII in the page, found ${foreign}")
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

std::string ${FUNCTION}() {
  static constexpr std::string_view kPieces[] = {
${pieces}  };
  std::string page;
  for (const std::string_view piece : kPieces) page += piece;
  return page;
}

}  // namespace softwarp
")
