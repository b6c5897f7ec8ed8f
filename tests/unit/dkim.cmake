# The files of the DKIM filter are compiled into the tests; what needs a host is tested through a proxy (tests/system/test_dkim.py).
set(dkim_dir ${PROJECT_SOURCE_DIR}/filters/dkim)
add_library(mw_dkim_under_test STATIC ${dkim_dir}/base64.c ${dkim_dir}/signature.c ${dkim_dir}/key.c ${dkim_dir}/key_cache.c ${dkim_dir}/digest.c ${dkim_dir}/canon.c
    ${dkim_dir}/select.c ${dkim_dir}/body.c ${dkim_dir}/verify.c ${dkim_dir}/policy.c dkim_kit.c)
target_include_directories(mw_dkim_under_test PUBLIC ${dkim_dir} ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(mw_dkim_under_test PUBLIC filter_kit PkgConfig::OPENSSL PRIVATE mw_build)

mw_test(dkim.signature SOURCES test_dkim_signature.c USES dkim_under_test)
mw_test(dkim.key SOURCES test_dkim_key.c USES dkim_under_test)
mw_test(dkim.key_cache SOURCES test_dkim_key_cache.c USES dkim_under_test)
mw_test(dkim.canon SOURCES test_dkim_canon.c USES dkim_under_test)
mw_test(dkim.verify SOURCES test_dkim_verify.c test_dkim_hostile.c USES dkim_under_test)
mw_test(dkim.forged SOURCES test_dkim_forged.c USES dkim_under_test)
mw_test(dkim.policy SOURCES test_dkim_policy.c USES dkim_under_test)
