# The vocabulary of the build: mw_build, mw_module, mw_filter, mw_test, mw_fuzz. Nothing else is used.

# Warnings, hardening and sanitizers for everything we compile.
add_library(mw_build INTERFACE)
target_compile_options(mw_build INTERFACE
    -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wvla -Wformat=2 -Wundef -Wswitch-enum -Wimplicit-fallthrough -Wwrite-strings
    -fstack-protector-strong -fno-common -fno-omit-frame-pointer
    $<$<BOOL:${MW_WERROR}>:-Werror>
    $<$<C_COMPILER_ID:GNU>:-fstack-clash-protection>
    $<$<C_COMPILER_ID:GNU>:-ftrivial-auto-var-init=zero>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|i.86")
    target_compile_options(mw_build INTERFACE -fcf-protection)
endif()
target_compile_definitions(mw_build INTERFACE _GNU_SOURCE
    $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>
    $<$<CONFIG:Debug>:MW_DEBUG=1>)
target_link_options(mw_build INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
if(MW_SANITIZE)
    target_compile_options(mw_build INTERFACE -fsanitize=${MW_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(mw_build INTERFACE -fsanitize=${MW_SANITIZE})
endif()
if(MW_FUZZ)
    target_compile_options(mw_build INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Link-time optimization (the release preset asks for it) only where compiler and linker can do it. Filter modules are not
# affected by what it hides in the executable: they are linked with -z defs and call back through a table of pointers.
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION)
    include(CheckIPOSupported)
    check_ipo_supported(RESULT MW_HAS_LTO LANGUAGES C)
    if(NOT MW_HAS_LTO)
        message(STATUS "no link-time optimization with this compiler and linker")
        set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
    endif()
endif()

# mw_module(NAME SOURCES a.c b.c USES base smtp LIBS PkgConfig::UV): a static library mw_<NAME>, one layer.
function(mw_module name)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBS" ${ARGN})
    add_library(mw_${name} STATIC ${ARG_SOURCES})
    target_include_directories(mw_${name} PUBLIC ${PROJECT_SOURCE_DIR}/proxy ${PROJECT_SOURCE_DIR}/proxy/include)
    list(TRANSFORM ARG_USES PREPEND mw_)
    target_link_libraries(mw_${name} PUBLIC ${ARG_USES} ${ARG_LIBS} PRIVATE mw_build)
    target_compile_options(mw_${name} PRIVATE -include ${PROJECT_SOURCE_DIR}/proxy/base/banned.h)
endfunction()

# mw_filter(NAME SOURCES a.c LIBS ...): a loadable filter module <NAME>.so; it sees the public header only.
function(mw_filter name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
    add_library(filter_${name} MODULE ${ARG_SOURCES})
    set_target_properties(filter_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/filters)
    target_include_directories(filter_${name} PRIVATE ${PROJECT_SOURCE_DIR}/proxy/include ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(filter_${name} PRIVATE mw_build ${ARG_LIBS})
    target_compile_options(filter_${name} PRIVATE -include ${PROJECT_SOURCE_DIR}/proxy/base/banned.h)
    if(NOT MW_SANITIZE) # the sanitizers' runtime lives in the executable
        target_link_options(filter_${name} PRIVATE -Wl,-z,defs)
    endif()
    install(TARGETS filter_${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/mailweir)
endfunction()

# mw_test(LAYER.MODULE SOURCES test_x.c USES base): a unit test, its own process, CTest name unit.LAYER.MODULE.
function(mw_test name)
    cmake_parse_arguments(ARG "" "TIMEOUT;LABEL" "SOURCES;USES;LIBS;ARGS" ${ARGN})
    if(NOT ARG_LABEL)
        set(ARG_LABEL unit)
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300) # for what hangs; no test takes a tenth of it on a quiet machine
    endif()
    string(REPLACE "." "_" target test_${name})
    add_executable(${target} ${ARG_SOURCES})
    list(TRANSFORM ARG_USES PREPEND mw_)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/lib)
    target_link_libraries(${target} PRIVATE mw_testlib ${ARG_USES} ${ARG_LIBS} mw_build)
    target_compile_definitions(${target} PRIVATE MW_TEST_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
        MW_TEST_BINARY_DIR="${PROJECT_BINARY_DIR}")
    add_test(NAME ${ARG_LABEL}.${name} COMMAND ${target} ${ARG_ARGS})
    set_tests_properties(${ARG_LABEL}.${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
endfunction()

# mw_fuzz(NAME USES smtp): tests/fuzz/fuzz_<NAME>.c with its corpus tests/fuzz/corpus/<NAME>/.
# Ordinary builds link a driver that replays the corpus and a fixed number of mutations of it (CTest fuzz.NAME);
# with MW_FUZZ (clang) the same source becomes a libFuzzer binary.
function(mw_fuzz name)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBS" ${ARGN})
    list(TRANSFORM ARG_USES PREPEND mw_)
    add_executable(fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_${name}.c ${ARG_SOURCES})
    target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/lib)
    target_link_libraries(fuzz_${name} PRIVATE ${ARG_USES} ${ARG_LIBS} mw_build)
    if(MW_FUZZ)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_link_libraries(fuzz_${name} PRIVATE mw_fuzzmain)
        add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
        set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 300)
    endif()
endfunction()
