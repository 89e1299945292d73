"""api_reference_test.py SOURCE: doxygen documents every symbol of include/softwarp and warns of nothing, by docs/Doxyfile;
and it does name those that are planted without a comment. Exit code 77: there is no doxygen."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

# A symbol of each kind, and a file, without a comment.
PLANTED_CPP = """#pragma once
/// @file
/// A file.
#define BARE_MACRO 1
namespace softwarp {
enum class BareEnum { bare_value_of_enum };
/// An enum.
enum class Enum { bare_value, value /**< a value */ };
struct BareStruct { int bare_member_of_struct; };
/// A class.
class Class {
 public:
  Class(int bare_parameter);
  void bare_member_function();
  int bare_member;
 protected:
  void bare_protected();
};
void bare_function(int x);
template <class T> void bare_template(T x);
inline constexpr int bare_constant = 1;
using BareAlias = int;
}
"""
PLANTED_C = """/** @file
 * A file. */
typedef int bare_type;
enum { BARE_C_VALUE = 0 };
typedef struct bare_c_struct { int bare_c_field; } bare_c_struct;
int bare_c_function(int x);
"""
PLANTED_FILE = """/** A function. */
int function_of_a_file_without_comment(int x);
"""
EXPECTED = """bare_file BARE_MACRO BareEnum bare_value_of_enum bare_value BareStruct bare_member_of_struct bare_parameter bare_member_function bare_member bare_protected
bare_function bare_template bare_constant BareAlias bare_type BARE_C_VALUE bare_c_struct bare_c_field bare_c_function"""


def has_text(element):
    texts = (element.find("briefdescription"), element.find("detaileddescription"))
    return any("".join(text.itertext()).strip() for text in texts if text is not None)


def complaints(source, inputs):
    """doxygen's warnings, and what it does not warn of: files, the namespace and, in old releases, enumerators."""
    with tempfile.TemporaryDirectory() as directory:
        settings = (source / "docs/Doxyfile").read_text() + f"""
INPUT = {" ".join(f'"{path}"' for path in inputs)}
OUTPUT_DIRECTORY = "{directory}"
GENERATE_HTML = NO
GENERATE_XML = YES
"""
        done = subprocess.run(["doxygen", "-"], input=settings, cwd=source, capture_output=True, text=True)
        lines = done.stderr.splitlines()
        if done.returncode != 0 and not lines:
            lines.append(f"doxygen: exit code {done.returncode}")
        described = set()
        for path in sorted(pathlib.Path(directory, "xml").glob("*.xml")):
            root = ElementTree.parse(path)
            described |= {compound.findtext("compoundname") for compound in root.iter("compounddef") if has_text(compound)}
            lines += [f"{value.findtext('name')} (enumvalue) is not documented."
                      for value in root.iter("enumvalue") if not has_text(value)]
        headers = [header for path in map(pathlib.Path, inputs) for header in ([path] if path.is_file() else path.glob("*.h"))]
        expected = {"softwarp"} | {header.name for header in headers if header.suffix == ".h"}
        return lines + [f"{name} is not documented." for name in sorted(expected - described)]


def main():
    source = pathlib.Path(sys.argv[1]).resolve()
    if shutil.which("doxygen") is None:
        print("skipped: doxygen is not installed (Debian package doxygen)")
        return 77
    failures = complaints(source, [source / "docs/api.md", source / "include/softwarp"])

    with tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "planted.h").write_text(PLANTED_CPP)
        pathlib.Path(directory, "planted_c.h").write_text(PLANTED_C)
        pathlib.Path(directory, "bare_file.h").write_text(PLANTED_FILE)
        namespace = source / "include/softwarp/matrix_view.h"  # has the text of the namespace
        found = "\n".join(complaints(source, [directory, namespace]))
        failures += [f"no warning of the undocumented {name}" for name in EXPECTED.split()
                     if not re.search(rf"\b{name}\b", found)]
    print("\n".join(failures) if failures else "every public symbol is documented")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
