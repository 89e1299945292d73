# Tests of the tree itself; tests/CMakeLists.txt calls this.
function(softwarp_add_rules_tests)
  add_test(NAME rules COMMAND ${PROJECT_SOURCE_DIR}/scripts/rules.sh)
  add_test(NAME rules_catch COMMAND ${PROJECT_SOURCE_DIR}/scripts/rules_catch.sh)
  add_test(NAME structure COMMAND Python3::Interpreter -B ${PROJECT_SOURCE_DIR}/scripts/check_structure.py)
  add_test(NAME data_checksums COMMAND sha256sum --check --strict --quiet SHA256SUMS
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/data)
  set_tests_properties(rules rules_catch structure data_checksums PROPERTIES LABELS quick)
endfunction()
