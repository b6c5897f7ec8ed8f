# Proves that a filter can be built with what is installed and nothing else: once with five lines of CMake
# (find_package(mailweir), consumer/CMakeLists.txt), once with one cc line (pkg-config), as C and with no warnings.
# The prefix is moved after the installation, so that nothing may depend on where it was.
cmake_minimum_required(VERSION 3.25)

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        string(JOIN " " command ${ARGN})
        message(FATAL_ERROR "${command}\n${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH}/cmake ${SCRATCH}/cc ${SCRATCH}/blocked)
file(WRITE ${SCRATCH}/blocked/bad.example "")
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/installed --component filter_api)
file(RENAME ${SCRATCH}/installed ${SCRATCH}/prefix)

file(COPY ${CMAKE_CURRENT_LIST_DIR}/consumer/CMakeLists.txt ${SOURCE}/filters/example/example.c
    DESTINATION ${SCRATCH}/cmake)
run(${CMAKE_COMMAND} -S ${SCRATCH}/cmake -B ${SCRATCH}/cmake/build -DCMAKE_C_COMPILER=${CC}
    -DCMAKE_PREFIX_PATH=${SCRATCH}/prefix)
run(${CMAKE_COMMAND} --build ${SCRATCH}/cmake/build)
run(${LOADER} ${SCRATCH}/cmake/build/example.so ${SCRATCH}/blocked)
message("five lines of CMake: ${output}")

find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG)
    set(ENV{PKG_CONFIG_PATH} ${SCRATCH}/prefix/share/pkgconfig)
    run(${PKG_CONFIG} --cflags mailweir-filter)
    string(STRIP "${output}" flags)
    separate_arguments(flags)
else()
    set(flags -I${SCRATCH}/prefix/include)
endif()
file(COPY ${SOURCE}/filters/example/example.c DESTINATION ${SCRATCH}/cc)
run(${CC} -Wall -Wextra -Werror -shared -fPIC -o ${SCRATCH}/cc/example.so ${SCRATCH}/cc/example.c ${flags} -Wl,-z,defs)
run(${LOADER} ${SCRATCH}/cc/example.so ${SCRATCH}/blocked)
message("one cc line: ${output}")
