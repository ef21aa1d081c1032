# FindMuduo: Muduo (github.com/chenshuo/muduo) installs headers and archives, but nothing for CMake.
#
#   list(APPEND CMAKE_MODULE_PATH ".../cmake")   # this folder
#   find_package(Muduo REQUIRED)
#   target_link_libraries(server muduo::http)
#
# Targets, each with those below it:
#   muduo::http  HttpServer and its parser
#   muduo::net   loops, connections, servers
#   muduo::base  threads, logging, time
#
# MUDUO_ROOT, a variable or in the environment, is the folder that Muduo was installed in; then it is looked for there
# alone. Without it, in CMake's usual places. Muduo has no version, so none is looked at.
#
# Results: Muduo_FOUND. Cached: MUDUO_INCLUDE_DIR, MUDUO_BASE_LIBRARY, MUDUO_NET_LIBRARY, MUDUO_HTTP_LIBRARY,
# MUDUO_BOOST_INCLUDE_DIR (its headers need boost/any.hpp).

if(MUDUO_ROOT)
  set(_muduo_root "${MUDUO_ROOT}")
else()
  set(_muduo_root "$ENV{MUDUO_ROOT}")
endif()
if(_muduo_root)
  get_filename_component(_muduo_root "${_muduo_root}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
  set(_muduo_where PATHS "${_muduo_root}" NO_DEFAULT_PATH)
  set(_muduo_says "MUDUO_ROOT is ${_muduo_root}: it must have include/muduo/net/TcpServer.h, lib/libmuduo_http.a, \
lib/libmuduo_net.a and lib/libmuduo_base.a.")
else()
  set(_muduo_where)
  set(_muduo_says "Build and install Muduo, and give that folder: -DMUDUO_ROOT=DIR (with DIR/include/muduo and \
DIR/lib/libmuduo_net.a).")
endif()

find_path(MUDUO_INCLUDE_DIR muduo/net/TcpServer.h ${_muduo_where} PATH_SUFFIXES include)
foreach(_muduo_part base net http)
  string(TOUPPER ${_muduo_part} _muduo_upper)
  find_library(MUDUO_${_muduo_upper}_LIBRARY muduo_${_muduo_part} ${_muduo_where} PATH_SUFFIXES lib)
endforeach()
find_path(MUDUO_BOOST_INCLUDE_DIR boost/any.hpp)
mark_as_advanced(MUDUO_INCLUDE_DIR MUDUO_BASE_LIBRARY MUDUO_NET_LIBRARY MUDUO_HTTP_LIBRARY MUDUO_BOOST_INCLUDE_DIR)

if(MUDUO_INCLUDE_DIR AND NOT MUDUO_BOOST_INCLUDE_DIR)
  set(_muduo_says "Muduo's headers need boost/any.hpp: install Boost's headers (Debian: libboost-dev).")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Muduo
  REQUIRED_VARS MUDUO_NET_LIBRARY MUDUO_BASE_LIBRARY MUDUO_HTTP_LIBRARY MUDUO_INCLUDE_DIR MUDUO_BOOST_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "${_muduo_says}")

if(Muduo_FOUND AND NOT TARGET muduo::http)
  find_package(Threads REQUIRED)
  # Its headers are not clean under -Wpedantic: system headers.
  foreach(_muduo_part base net http)
    string(TOUPPER ${_muduo_part} _muduo_upper)
    add_library(muduo::${_muduo_part} UNKNOWN IMPORTED)
    set_target_properties(muduo::${_muduo_part} PROPERTIES
      IMPORTED_LOCATION "${MUDUO_${_muduo_upper}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${MUDUO_INCLUDE_DIR};${MUDUO_BOOST_INCLUDE_DIR}"
      INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${MUDUO_INCLUDE_DIR};${MUDUO_BOOST_INCLUDE_DIR}")
  endforeach()
  set_property(TARGET muduo::base PROPERTY INTERFACE_LINK_LIBRARIES Threads::Threads rt)
  set_property(TARGET muduo::net PROPERTY INTERFACE_LINK_LIBRARIES muduo::base)
  set_property(TARGET muduo::http PROPERTY INTERFACE_LINK_LIBRARIES muduo::net)
endif()

unset(_muduo_root)
unset(_muduo_where)
unset(_muduo_says)
unset(_muduo_part)
unset(_muduo_upper)
