# The labels of the tests. Each has one of these or none, and none is what most have:
#
#   quick  a sample of every room, in seconds: ctest -L quick. Those of a program run as one ctest, PROGRAM.quick.
#   slow   takes long, or is the twin of a test that has no label, in a further type, size or network
#   e2e    what a user does from outside: installs, builds against softwarp, opens a page in a browser or a shell
#
# `make test` and the sanitizers run those that are neither slow nor e2e, `make test-all` all. Besides, a test of a real
# GPU has the label gpu.

# Makes the tests of a program known. QUICK and SLOW: patterns as of --gtest_filter, by which tests get these labels;
# SLOW wins over QUICK. UNLABELLED: tests that QUICK would match and that get no label all the same.
function(softwarp_discover_tests name)
  cmake_parse_arguments(ARG "" "" "QUICK;SLOW;UNLABELLED" ${ARGN})
  list(JOIN ARG_QUICK ":" quick)
  list(JOIN ARG_SLOW ":" slow)
  list(JOIN ARG_UNLABELLED ":" unlabelled)
  if(quick)
    add_test(NAME ${name}.quick COMMAND ${name} --gtest_brief=1 --gtest_filter=${quick}-${unlabelled}:${slow})
    set_tests_properties(${name}.quick PROPERTIES LABELS quick TIMEOUT 600
                         FAIL_REGULAR_EXPRESSION "[=] 0 tests from")
  endif()
  if(NOT quick STREQUAL "*")
    gtest_discover_tests(${name} TEST_FILTER "*-${quick}:${slow}" DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
  endif()
  if(unlabelled)
    gtest_discover_tests(${name} TEST_FILTER "${unlabelled}-${slow}" DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
  endif()
  if(slow)
    gtest_discover_tests(${name} TEST_FILTER "${slow}" DISCOVERY_TIMEOUT 60 PROPERTIES LABELS slow TIMEOUT 600)
  endif()
endfunction()
