/* test.c - runs the registered tests; see test.h. */
#include "test.h"

#include <stdarg.h>
#include <time.h>

static struct mw_test_case *first, **last = &first;
static bool current_failed;

double mw_test_cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void mw_test_register(struct mw_test_case *test)
{
    *last = test;
    last = &test->next;
}

void mw_test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    current_failed = true;
}

int main(int argc, char **argv)
{
    int ran = 0, failed = 0;
    for (struct mw_test_case *test = first; test != NULL; test = test->next) {
        if (argc > 1 && strstr(test->name, argv[1]) == NULL)
            continue;
        current_failed = false;
        test->run();
        ran++;
        failed += current_failed;
        printf("%s %s\n", current_failed ? "FAIL" : "ok  ", test->name);
        fflush(stdout);
    }
    printf("%d passed, %d failed\n", ran - failed, failed);
    return failed > 0 || ran == 0;
}
