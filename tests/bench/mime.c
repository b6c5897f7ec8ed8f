/* mime.c - how fast messages are taken apart and decoded: ours, and GMime beside it in the same run.
 *
 *   bench_mime [--seconds N] FILE|DIRECTORY...
 *
 * Messages are loaded into memory and decoded one after the other, all leaf parts, over and over for
 * about a second by each program; pieces of 16 KiB go in, as they come from a socket. Prints octets
 * of message per second, the median of five rounds. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "message/mime.h"

#ifdef MW_HAVE_GMIME
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <gmime/gmime.h>
#pragma GCC diagnostic pop
#endif

enum { PIECE = 16384, ROUNDS = 5 };

static struct message {
    struct mw_slice octets;
} * messages;
static size_t count, total, decoded;

/* ---- loading ---- */

static void load_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        perror(path);
        exit(1);
    }
    size_t size = (size_t)status.st_size;
    char *octets = mw_xalloc(size + 1);
    if (fread(octets, 1, size, file) != size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    messages = mw_xrealloc(messages, (count + 1) * sizeof *messages);
    messages[count++].octets = MW_SLICE(octets, size);
    total += size;
}

static void load(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        load_file(path);
        return;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char name[4096];
        struct stat status;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && stat(name, &status) == 0 && S_ISREG(status.st_mode))
            load_file(name);
    }
    closedir(folder);
}

/* ---- ours ---- */

static void on_octets(void *user, struct mw_mime_part *part, struct mw_slice octets)
{
    (void)user;
    (void)part;
    decoded += octets.len;
}

static void run_ours(struct mw_slice message)
{
    struct mw_mime_sink sink = {.octets = on_octets};
    struct mw_mime *mime = mw_mime_new(&sink);
    for (; message.len > 0; message = mw_slice_skip(message, PIECE))
        mw_mime_feed(mime, mw_slice_take(message, PIECE));
    mw_mime_finish(mime);
    mw_mime_free(&mime);
}

/* ---- GMime ---- */

#ifdef MW_HAVE_GMIME
static void on_gmime_part(GMimeObject *parent, GMimeObject *object, gpointer user)
{
    (void)parent;
    if (GMIME_IS_PART(object)) {
        GMimeDataWrapper *content = g_mime_part_get_content(GMIME_PART(object));
        if (content != NULL) {
            gssize len = g_mime_data_wrapper_write_to_stream(content, user);
            decoded += len > 0 ? (size_t)len : 0;
        }
    } else if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
        if (message != NULL)
            g_mime_message_foreach(message, on_gmime_part, user);
    }
}

static void run_gmime(struct mw_slice octets)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(octets.ptr, octets.len);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeStream *null = g_mime_stream_null_new();
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    if (message != NULL) {
        g_mime_message_foreach(message, on_gmime_part, null);
        g_object_unref(message);
    }
    g_object_unref(null);
    g_object_unref(parser);
    g_object_unref(stream);
}
#endif

/* ---- measuring ---- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double measure(const char *name, void (*run)(struct mw_slice message), double seconds)
{
    double rates[ROUNDS];
    size_t once = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        double begin = now(), end;
        size_t times = 0;
        do {
            decoded = 0;
            for (size_t i = 0; i < count; i++)
                run(messages[i].octets);
            times++;
            once = decoded;
            end = now();
        } while (end - begin < seconds / ROUNDS);
        rates[round] = (double)total * (double)times / (end - begin) / 1e6;
    }
    qsort(rates, ROUNDS, sizeof rates[0], compare);
    printf("%-8s %8.0f MB/s   (%zu octets decoded)\n", name, rates[ROUNDS / 2], once);
    return rates[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    double seconds = 1;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = strtod(argv[++i], NULL);
        else
            load(argv[i]);
    if (total == 0) {
        fprintf(stderr, "usage: bench_mime [--seconds N] FILE|DIRECTORY...\n");
        return 2;
    }
    printf("%zu messages, %zu octets\n", count, total);
    double ours = measure("mailweir", run_ours, seconds);
#ifdef MW_HAVE_GMIME
    g_mime_init();
    printf("ratio    %8.1f\n", ours / measure("GMime", run_gmime, seconds));
#else
    (void)ours;
    puts("GMime was not found when this was built");
#endif
    for (size_t i = 0; i < count; i++)
        free((char *)(uintptr_t)messages[i].octets.ptr);
    free(messages);
    return 0;
}
