/* fuzz_main.c - runs a fuzz target as an ordinary test: every corpus file, every prefix of the
 * short ones, and a fixed number of seeded mutations of each. Finds what a parser does wrong on
 * near-misses without clang. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_MAX = 1 << 20, MUTATIONS = 300, PREFIX_MAX = 512 };

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t next_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

/* Give the target its own exact-size heap copy, so that ASan sees one byte too many. */
static void run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_mutations(const uint8_t *data, size_t size)
{
    static const char interesting[] = "\r\n.\0 :<>@\"\\=;,/{}()[]$#0\xff\x80";
    uint8_t *work = malloc(size * 2 + 16);
    if (work == NULL)
        abort();
    for (int round = 0; round < MUTATIONS; round++) {
        memcpy(work, data, size);
        size_t len = size;
        for (uint64_t edits = 1 + next_random() % 4; edits > 0; edits--) {
            size_t at = len > 0 ? next_random() % len : 0;
            char octet = interesting[next_random() % (sizeof interesting - 1)];
            switch (next_random() % 5) {
            case 0:
                if (len > 0)
                    work[at] = (uint8_t)octet;
                break;
            case 1:
                if (len > 0)
                    work[at] ^= (uint8_t)(1u << (next_random() % 8));
                break;
            case 2: /* insert */
                memmove(work + at + 1, work + at, len - at);
                work[at] = (uint8_t)octet;
                len++;
                break;
            case 3: /* delete */
                if (len > 0) {
                    memmove(work + at, work + at + 1, len - at - 1);
                    len--;
                }
                break;
            default: /* cut */
                len = at;
                break;
            }
        }
        run_copy(work, len);
    }
    free(work);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_DIR\n", argv[0]);
        return 64;
    }
    struct dirent **names = NULL;
    int count = scandir(argv[1], &names, NULL, alphasort), files = 0;
    if (count < 0) {
        perror(argv[1]);
        return 1;
    }
    uint8_t *data = malloc(FILE_MAX);
    if (data == NULL)
        abort();
    run_copy(data, 0);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], names[i]->d_name);
        FILE *file = names[i]->d_name[0] == '.' ? NULL : fopen(path, "rb");
        free(names[i]);
        if (file == NULL)
            continue;
        size_t size = fread(data, 1, FILE_MAX, file);
        fclose(file);
        run_copy(data, size);
        for (size_t len = 0; len < size && len < PREFIX_MAX; len++)
            run_copy(data, len);
        if (size < 65536)
            run_mutations(data, size);
        files++;
    }
    free(names);
    free(data);
    printf("%d corpus files, each with its prefixes and %d mutations: no failure\n", files,
           MUTATIONS);
    return files == 0;
}
