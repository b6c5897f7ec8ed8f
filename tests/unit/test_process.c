/* What the process asks of the system, as far as a test may ask it too. */
#include "ops/process.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

TEST(modules_are_looked_for_in_order)
{
    struct mw_arena arena = {0};
    const struct mw_slice given[] = {MW_LIT("/first"), MW_LIT("/second")};
    setenv("MAILWEIR_PLUGIN_PATH", ":/third::/fourth:", 1);
    const char *const *dirs = mw_process_plugin_dirs(&arena, given, 2);
    CHECK(strcmp(dirs[0], "/first") == 0 && strcmp(dirs[1], "/second") == 0);
    CHECK(strcmp(dirs[2], "/third") == 0 && strcmp(dirs[3], "/fourth") == 0);
    size_t len = strlen(dirs[4]);
    CHECK(len > 8 && strcmp(dirs[4] + len - 8, "/filters") == 0); /* beside this program */
    struct mw_build_info build;
    mw_process_build_info(&build);
    CHECK(strcmp(dirs[5], build.plugin_dir) == 0);
    CHECK(dirs[6] == NULL);
    unsetenv("MAILWEIR_PLUGIN_PATH");
    mw_arena_fini(&arena);
}

TEST(accounts_are_found_or_not)
{
    struct mw_account account;
    const char *text = NULL;
    CHECK(mw_process_account("root", &account, &text) == MW_OK);
    CHECK_INT(account.uid, 0);
    CHECK(mw_process_account("no-such-user-here", &account, &text) == MW_ERR_NOENT);
    CHECK(text != NULL);
}

TEST(spool_directory_is_tried)
{
    const char *text = NULL;
    CHECK(mw_process_check_spool("/tmp", &text) == MW_OK);
    CHECK(mw_process_check_spool("/nowhere/at/all", &text) == MW_ERR_IO);
    CHECK(text != NULL);
}

TEST(descriptors_are_raised_to_the_hard_limit)
{
    size_t first = mw_process_raise_descriptors();
    CHECK(first >= 256);
    CHECK_INT(mw_process_raise_descriptors(), first);
}

/* A datagram to $NOTIFY_SOCKET, by path and in the abstract namespace; without it, or with
 * nonsense, nothing happens. */
static void check_notify(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char received[64] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    CHECK(bind(fd, (struct sockaddr *)&address, len) == 0);
    setenv("NOTIFY_SOCKET", name, 1);
    mw_process_notify("READY=1");
    CHECK_INT(recv(fd, received, sizeof received, MSG_DONTWAIT), 7);
    CHECK(memcmp(received, "READY=1", 7) == 0);
    close(fd);
}

TEST(service_manager_is_told)
{
    char path[64], abstract[64];
    snprintf(path, sizeof path, "/tmp/mailweir-notify-%d", (int)getpid());
    snprintf(abstract, sizeof abstract, "@mailweir-notify-%d", (int)getpid());
    check_notify(path);
    unlink(path);
    check_notify(abstract);
    unsetenv("NOTIFY_SOCKET");
    mw_process_notify("READY=1");
    setenv("NOTIFY_SOCKET", "nonsense", 1);
    mw_process_notify("READY=1");
    setenv("NOTIFY_SOCKET", "", 1);
    mw_process_notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
}

TEST(build_info_is_complete)
{
    struct mw_build_info build;
    mw_process_build_info(&build);
    CHECK(*build.version != '\0' && *build.libuv != '\0' && *build.libuv_built != '\0');
    CHECK(*build.pcre2_built != '\0' && *build.plugin_dir == '/' && *build.compiler != '\0');
}
