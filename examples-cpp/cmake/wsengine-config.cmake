# find_package(wsengine) gives
#
#   wsengine::wsengine         the shared library
#   wsengine::wsengine_static  the static one, with the system libraries that it needs
#
# both with the folder of ws_engine.h and ws_engine.hpp. Installed to PREFIX/lib/cmake/wsengine; PREFIX may be moved as a whole.

get_filename_component(_wsengine_prefix "${CMAKE_CURRENT_LIST_FILE}" REALPATH)
get_filename_component(_wsengine_prefix "${_wsengine_prefix}/../../../.." ABSOLUTE)

foreach(_wsengine_file include/ws_engine.h lib/libwsengine.so.0 lib/libwsengine.a)
  if(NOT EXISTS "${_wsengine_prefix}/${_wsengine_file}")
    set(wsengine_FOUND FALSE)
    set(wsengine_NOT_FOUND_MESSAGE "${_wsengine_prefix}/${_wsengine_file} is missing. Install wsengine again.")
    return()
  endif()
endforeach()

if(NOT TARGET wsengine::wsengine)
  add_library(wsengine::wsengine SHARED IMPORTED)
  set_target_properties(wsengine::wsengine PROPERTIES
    IMPORTED_LOCATION "${_wsengine_prefix}/lib/libwsengine.so.0"
    IMPORTED_SONAME libwsengine.so.0
    INTERFACE_INCLUDE_DIRECTORIES "${_wsengine_prefix}/include")
endif()

if(NOT TARGET wsengine::wsengine_static)
  add_library(wsengine::wsengine_static STATIC IMPORTED)
  set_target_properties(wsengine::wsengine_static PROPERTIES
    IMPORTED_LOCATION "${_wsengine_prefix}/lib/libwsengine.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_wsengine_prefix}/include"
    INTERFACE_LINK_LIBRARIES "gcc_s;util;rt;pthread;m;dl")
endif()

unset(_wsengine_prefix)
unset(_wsengine_file)
