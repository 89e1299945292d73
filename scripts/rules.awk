# The part of rules.sh that reads files; their names come on the standard input.

BEGIN {
  # A room may include itself and these. Rooms that are not here (tests, bench, ...) may include everything.
  sees["include"] = ""
  sees["core"] = "include"
  sees["kernels"] = "include core"
  sees["simulator"] = "include"
  sees["host/communicator"] = "include host/backend"
  sees["host/io"] = "include core"
  sees["host/backend"] = "include core kernels"
  sees["host/c"] = "include host/backend host/data host/model host/training"
  sees["host/data"] = "include core host/backend host/io"
  sees["host/model"] = "include core host/backend host/io"
  sees["host/training"] = "include core host/backend host/communicator host/io host/data host/model"
  sees["host/report"] = "include core host/backend host/io host/data host/model host/training"
  sees["host/program"] = "include core host/backend host/communicator host/io host/data host/model host/training host/report"
  sees["examples"] = "include"

  # Names that gave way to the field's words.
  old_words = "RowTeam|RowShare|RowWindow|RowPlace|SplitScratch|CrossEntropyScratch|MiddleView|wait_for_earlier_kernels|" \
              "(load|store)_(fresh|some)\\(|kHeld|(held|flat|streamed)_rows|run_rows|ProductSetting|from_(kept|input)\\(|" \
              "exponentials?\\(|place_of|cuda_refusal|block_picture|expect_sound|look_at_every_step|wants_stop|take_over|" \
              "impatient|give_back\\(|(Const)?View64|SOFTWARP_SCRATCH|run_(softmax|forward|activation|argmax)"

  toolkit = "^(cuda[a-z0-9_]*|cooperative_groups|mma|math_constants|vector_types|vector_functions|" \
            "driver_types|device_types|library_types)\\.(h|hpp)$|^(cub|cuda|cooperative_groups)/|^Random123/|^[a-z_0-9]+$"
}

{ files[++count] = $0 }

END {
  for (i = 1; i <= count; ++i)
    if (files[i] ~ /(^|\/)CMakeLists\.txt$|\.cmake$/) read_cmake(files[i])
    else if (files[i] == "data/SHA256SUMS") read_checksums(files[i])
  for (i = 1; i <= count; ++i) {
    if (files[i] ~ /\.(h|cuh|cu|c|cpp)$/) read_source(files[i])
    if (files[i] ~ /\.(cu|c|cpp)$/ && !(files[i] in listed)) report(files[i], 1, "listed", "no CMakeLists.txt names it")
    if (files[i] ~ /^data\/.*-ubyte(\.gz)?$/ && !(files[i] in summed)) report(files[i], 1, "checksum", "not in data/SHA256SUMS")
  }
}

function report(file, line, rule, what) { print file ":" line ": " rule ": " what }

function folder_of(file) { return file ~ /\// ? substr(file, 1, match(file, /\/[^\/]*$/)) : "" }

# kernels/x.h: kernels. host/data/x.h: host/data. softwarp/x.h: include. Otherwise the first folder.
function room_of(path,    parts) {
  split(path, parts, "/")
  return parts[1] == "host" ? "host/" parts[2] : parts[1] == "softwarp" ? "include" : parts[1]
}

function is_ours(path) { return path ~ /^(include|softwarp|core|kernels|host|simulator|tests|bench)\// }

function is_installed(file) { return file ~ /^(include|core|kernels|host)\// }

function read_cmake(file,    line, number, folder, words, n, i) {
  folder = folder_of(file)
  while ((getline line < file) > 0) {
    ++number
    sub(/#.*/, "", line)
    if (line ~ /file *\( *GLOB/) report(file, number, "glob", "sources are listed, not looked for")
    gsub(/\$\{(CMAKE_CURRENT_SOURCE_DIR|CMAKE_CURRENT_LIST_DIR)\}\//, folder, line)
    gsub(/\$\{(PROJECT_SOURCE_DIR|CMAKE_SOURCE_DIR|softwarp_SOURCE_DIR)\}\//, "", line)
    n = split(line, words, /[ \t()"<>:,;]+/)
    for (i = 1; i <= n; ++i) {
      listed[words[i]]  # from the root
      listed[folder words[i]]
    }
  }
  close(file)
}

function read_checksums(file,    line) {
  while ((getline line < file) > 0) {
    sub(/^[0-9a-f]+ [ *]/, "", line)
    summed["data/" line]
  }
  close(file)
}

# The line without comments and the text of strings, so that both may speak of what is forbidden.
function code_of(line,    at) {
  if (in_comment) {
    at = index(line, "*/")
    if (!at) return ""
    line = substr(line, at + 2)
    in_comment = 0
  }
  gsub(/'\\?"'/, "''", line)
  gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
  sub(/\/\/.*/, "", line)
  while (at = index(line, "/*")) {
    if (!match(substr(line, at + 2), /\*\//)) {
      in_comment = 1
      return substr(line, 1, at - 1)
    }
    line = substr(line, 1, at - 1) " " substr(line, at + RSTART + 3)
  }
  return line
}

function read_source(file,    line, number, code) {
  in_comment = 0
  while ((getline line < file) > 0) {
    ++number
    if (!in_comment && line ~ /^[ \t]*#[ \t]*include[ \t]*["<]/) {
      check_include(file, number, line)
      continue
    }
    if (line ~ /^[ \t]*(\/\/\/?|\/\*\*?)[ \t]*(What|Whether|Where|Whose)[ \t]/)
      report(file, number, "comment", "state a fact; open with neither What, Whether, Where nor Whose")
    code = code_of(line)
    if (is_installed(file) && match(code, old_words))
      report(file, number, "word", substr(code, RSTART, RLENGTH) " has another name now: CHANGELOG.md")
    if (code ~ /<<</) report(file, number, "launch", "start kernels with launch()")
    if (code ~ /cudaDeviceSynchronize/ && is_installed(file))
      report(file, number, "synchronize", "wait for a stream or an event, in a download")
  }
  close(file)
  if (number > 400) report(file, number, "lines", number " lines, at most 400")
}

function check_include(file, number, line,    quoted, path, from, to, seen) {
  quoted = line ~ /^[^<]*"/
  path = line
  sub(/^[^"<]*["<]/, "", path)
  sub(/[">].*/, "", path)
  from = room_of(file)
  to = room_of(path)
  if (path ~ /(^|\/)\.\.?\// || (quoted && (!is_ours(path) || to == "include") && is_installed(file))) {
    report(file, number, "path", "write " path " from the project's root, a public header as <softwarp/...>")
  } else if (is_ours(path)) {
    if (from != to && (from in sees) && index(" " sees[from] " ", " " to " ") == 0)
      report(file, number, "arrow", from " may not see " path)
    else if (from ~ /^host\// && !(from in sees))
      report(file, number, "arrow", from " is no room that scripts/rules.awk knows")
  } else if (from == "kernels" && path !~ toolkit) {
    report(file, number, "toolkit", "kernels may not see " path)
  }
}
