/* process.c - system calls behind process.h.
 *
 * Memory: message bodies live in chunks of 128 KiB (message/spool.h), which is glibc's threshold
 * for giving each its own mapping, and above what it keeps at the end of the heap. Three such
 * chunks a message, 20,000 messages: 1,860 ms and 660,000 page faults as it comes, 100 ms and 180
 * faults with the two settings below; at most 16 MiB of freed memory is kept. */
#include "ops/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <uv.h>

enum { MMAP_THRESHOLD = 1 << 20, TRIM_THRESHOLD = 16 << 20 };

/* ---- privileges ---- */

enum mw_err mw_process_account(const char *user, struct mw_account *out_account,
                               const char **out_text)
{
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        *out_text = errno == 0 || errno == ENOENT ? "there is no such account" : strerror(errno);
        return MW_ERR_NOENT;
    }
    *out_account = (struct mw_account){.uid = entry->pw_uid, .gid = entry->pw_gid, .name = user};
    return MW_OK;
}

/* All capabilities but this one go, after PR_SET_KEEPCAPS had them outlive the change of user. The
 * system call itself: glibc has no function for it, and libcap would be a library for one call. */
static bool keep_capability(unsigned int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    sets[CAP_TO_INDEX(capability)].effective = CAP_TO_MASK(capability);
    sets[CAP_TO_INDEX(capability)].permitted = CAP_TO_MASK(capability);
    return syscall(SYS_capset, &header, sets) == 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0;
}

enum mw_err mw_process_become(const struct mw_account *account, bool keep_raw,
                              const char **out_text)
{
    if (account->uid == 0)
        return MW_OK; /* `user root`: asked for */
    if ((keep_raw && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) ||
        initgroups(account->name, account->gid) != 0 || setgid(account->gid) != 0 ||
        setuid(account->uid) != 0 || (keep_raw && !keep_capability(CAP_NET_RAW))) {
        *out_text = strerror(errno);
        return MW_ERR_DENIED;
    }
    if (setuid(0) == 0 || getuid() != account->uid || geteuid() != account->uid ||
        getgid() != account->gid || getegid() != account->gid) {
        *out_text = "root could be had again";
        return MW_ERR_DENIED;
    }
    return MW_OK;
}

/* Tried rather than looked up: capabilities, name spaces and security modules all have a say. */
bool mw_process_may_be_transparent(void)
{
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool may = setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on) == 0;
    close(fd);
    return may;
}

/* ---- resources ---- */

size_t mw_process_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur > INT_MAX ? INT_MAX : (size_t)limit.rlim_cur;
}

void mw_process_tune_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
}

enum mw_err mw_process_check_spool(const char *directory, const char **out_text)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return MW_OK;
    }
    /* file systems without O_TMPFILE: the spool makes a name and unlinks it */
    bool is_unsupported = errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL;
    if (is_unsupported && access(directory, W_OK | X_OK) == 0)
        return MW_OK;
    *out_text = strerror(errno);
    return MW_ERR_IO;
}

/* ---- service manager ---- */

void mw_process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = path == NULL ? 0 : strlen(path);
    if (len < 2 || len >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') /* the abstract namespace */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, address_len);
    close(fd);
}

/* ---- modules ---- */

/* "/usr/bin/mailweir" -> "/usr/bin/filters"; empty if /proc is not there. */
static struct mw_slice beside_program(struct mw_arena *arena)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path);
    struct mw_slice program = MW_SLICE(path, len > 0 ? (size_t)len : 0);
    ptrdiff_t slash = mw_slice_rfind(program, '/');
    if (slash < 0)
        return MW_EMPTY;
    return mw_arena_printf(arena, "%.*s/filters", (int)slash, program.ptr);
}

const char *const *mw_process_plugin_dirs(struct mw_arena *arena, const struct mw_slice *given,
                                          size_t given_count)
{
    struct mw_slice rest = mw_slice_cstr(getenv("MAILWEIR_PLUGIN_PATH")), dir;
    size_t count = 0, max = given_count + 4;
    for (size_t i = 0; i < rest.len; i++)
        max += rest.ptr[i] == ':';
    const char **dirs = mw_arena_array(arena, const char *, max);
    for (size_t i = 0; i < given_count; i++)
        dirs[count++] = mw_arena_cstr(arena, given[i]);
    while (rest.len > 0) {
        if (!mw_slice_split(rest, ':', &dir, &rest)) {
            dir = rest;
            rest = MW_EMPTY;
        }
        if (dir.len > 0)
            dirs[count++] = mw_arena_cstr(arena, dir);
    }
    struct mw_slice beside = beside_program(arena);
    if (beside.len > 0)
        dirs[count++] = beside.ptr;
    dirs[count++] = MW_PLUGIN_DIR;
    mw_assert(count < max);
    return dirs;
}

/* ---- what this program is ---- */

void mw_process_build_info(struct mw_build_info *out_info)
{
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
    *out_info = (struct mw_build_info){
        .version = MW_VERSION,
        .build_type = MW_BUILD_TYPE,
        .sanitizers = MW_SANITIZERS,
#ifdef __clang__
        .compiler = "clang " __clang_version__,
#else
        .compiler = "gcc " __VERSION__,
#endif
        .plugin_dir = MW_PLUGIN_DIR,
        .libuv = uv_version_string(),
        .libuv_built = TEXT(UV_VERSION_MAJOR) "." TEXT(UV_VERSION_MINOR) "." TEXT(UV_VERSION_PATCH),
        .pcre2_built = MW_PCRE2_VERSION,
    };
}
