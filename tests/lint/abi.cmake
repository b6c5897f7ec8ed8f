# Compiles abi.c (nothing but assertions) in one language. Run: cmake -DCC=cc -DX=c++ -DSTD=c++17 -DROOT=. -P abi.cmake
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND ${CC} -x ${X} -std=${STD} -fsyntax-only /dev/null RESULT_VARIABLE result
    OUTPUT_QUIET ERROR_QUIET)
if(NOT result EQUAL 0)
    message("skipped: ${CC} cannot compile ${STD}")
    return()
endif()
execute_process(COMMAND ${CC} -x ${X} -std=${STD} -fsyntax-only -Wall -Wextra -Werror -pedantic
    -I${ROOT}/proxy/include ${ROOT}/tests/lint/abi.c RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "the filter ABI has changed, or its header is not valid ${STD}")
endif()
