# Everybody can enter the folders that an installation makes, under root's umask 077 too: CMake makes them with mkdir,
# which the umask restricts, so they are made here, before anything is installed. A folder that exists stays as it is.
set(softwarp_destinations
    ${CMAKE_INSTALL_INCLUDEDIR}/softwarp
    ${CMAKE_INSTALL_LIBDIR}/cmake/softwarp
    ${CMAKE_INSTALL_DOCDIR})
if(SOFTWARP_C)
  list(APPEND softwarp_destinations ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
if(SOFTWARP_HOST)
  list(APPEND softwarp_destinations
    ${CMAKE_INSTALL_DATADIR}/softwarp)
endif()
if(SOFTWARP_PROGRAM)
  list(APPEND softwarp_destinations
    ${CMAKE_INSTALL_BINDIR}
    ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    ${CMAKE_INSTALL_DATADIR}/zsh/site-functions
    ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
install(CODE "set(destinations \"${softwarp_destinations}\")")
install(CODE [[
  foreach(folder IN LISTS destinations)
    set(missing "")
    cmake_path(ABSOLUTE_PATH folder BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}")
    set(folder "$ENV{DESTDIR}${folder}")
    while(NOT EXISTS "${folder}")
      list(APPEND missing "${folder}")
      cmake_path(GET folder PARENT_PATH folder)
    endwhile()
    if(missing)
      file(MAKE_DIRECTORY ${missing})
      file(CHMOD ${missing} DIRECTORY_PERMISSIONS
           OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
    endif()
  endforeach()
]])
