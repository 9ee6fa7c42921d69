# SPDX-License-Identifier: Apache-2.0
# cpack -G DEB: crgen, the programs, and libcrgen-dev, libraries and headers.
set(CRGEN_MAINTAINER "Nobody <nobody@example.org>" CACHE STRING
    "Who builds packages, and answers for them: Name <address>")
set(CPACK_PACKAGE_VENDOR crgen)
set(CPACK_PACKAGE_CONTACT "${CRGEN_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL programs development debian_programs debian_development)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME crgen)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SUGGESTS "criu, iproute2, iptables, nftables")
set(CPACK_DEBIAN_PROGRAMS_DESCRIPTION "what a restore of a CRIU dump does, as a program
crgen reads the images of a process tree that CRIU has frozen, derives the
sequence of operations that rebuilds it, and prints it as a program of JSON
commands, which people can read, check and diff. crrestore executes such a
program.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libcrgen-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "libprotobuf-dev, libarchive-dev, zlib1g-dev, libzstd-dev, liblzma-dev, nettle-dev, libstdc++-12-dev | libstdc++-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "libraries that read, plan and check CRIU dumps
Static libraries and headers of crgen: reading the images of a dump into a
model, generating the restore program, checking and writing it.")

# What Debian wants in every package.
execute_process(COMMAND date -u -R -d ${CRGEN_DATE} OUTPUT_VARIABLE date COMMAND_ERROR_IS_FATAL ANY
  OUTPUT_STRIP_TRAILING_WHITESPACE)
configure_file(copyright copyright COPYONLY)
foreach(component programs development)
  string(TOUPPER ${component} upper)
  set(package ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  configure_file(changelog.in ${package}/changelog @ONLY)
  add_custom_command(OUTPUT ${documents}/${package}/changelog.Debian.gz
    COMMAND ${gzip} -9nk -c ${documents}/${package}/changelog
            > ${documents}/${package}/changelog.Debian.gz
    DEPENDS ${documents}/${package}/changelog VERBATIM)
  add_custom_target(${package}_changelog ALL DEPENDS ${documents}/${package}/changelog.Debian.gz)
  install(FILES ${documents}/changelog.gz ${documents}/${package}/changelog.Debian.gz copyright
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT debian_${component} EXCLUDE_FROM_ALL)
endforeach()
install(FILES lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME crgen
  COMPONENT debian_programs EXCLUDE_FROM_ALL)

include(CPack)
foreach(component programs development)
  cpack_add_component(${component} GROUP ${component})
  cpack_add_component(debian_${component} GROUP ${component})
endforeach()
