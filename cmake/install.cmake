# What `cmake --install` leaves: the program and its data, headers, static libraries with a CMake package, and
# libsoftwarp.so with its header and a pkg-config file. The tree can be moved.
include(CMakePackageConfigHelpers)

# find_package(softwarp) gives softwarp::host, softwarp::c and, where CUDA is built, softwarp::kernels.
add_library(softwarp_host INTERFACE)
add_library(softwarp::host ALIAS softwarp_host)
target_link_libraries(softwarp_host INTERFACE softwarp::report softwarp::cuda)

set(libraries backend data model training report host options random123 c)
if(SOFTWARP_WITH_CUDA)
  list(APPEND libraries kernels with_cuda)
else()
  list(APPEND libraries without_cuda)
endif()
foreach(library IN LISTS libraries)
  string(REGEX REPLACE "^with(out)?_cuda$" "cuda" name ${library})
  set_target_properties(softwarp_${library} PROPERTIES EXPORT_NAME ${name})
endforeach()
list(TRANSFORM libraries PREPEND softwarp_)

set(headers ${CMAKE_INSTALL_INCLUDEDIR}/softwarp)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/softwarp)
install(TARGETS softwarp)
install(TARGETS ${libraries} EXPORT softwarp)
install(DIRECTORY kernels DESTINATION ${headers} FILES_MATCHING PATTERN *.h PATTERN row_reduce EXCLUDE)
install(DIRECTORY host/backend host/data host/model host/training host/report DESTINATION ${headers}/host
        FILES_MATCHING PATTERN *.h PATTERN cpu EXCLUDE PATTERN cuda EXCLUDE)
install(FILES host/backend/cuda/cuda_backend.h DESTINATION ${headers}/host/backend/cuda)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY data DESTINATION ${CMAKE_INSTALL_DATADIR}/softwarp)

install(EXPORT softwarp NAMESPACE softwarp:: FILE softwarp-targets.cmake DESTINATION ${package})
set(data_directory ${CMAKE_INSTALL_DATADIR}/softwarp/data)
configure_package_config_file(cmake/softwarp-config.cmake.in softwarp-config.cmake
  INSTALL_DESTINATION ${package} PATH_VARS data_directory NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(softwarp-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/softwarp-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/softwarp-config-version.cmake
        DESTINATION ${package})

file(RELATIVE_PATH prefix_from_pkgconfig ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" prefix_from_pkgconfig ${prefix_from_pkgconfig})
configure_file(cmake/softwarp.pc.in softwarp.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/softwarp.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
