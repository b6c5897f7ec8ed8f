/* spfask.c - the SPF evaluator behind a pipe, for tests: whoever holds the other end is its DNS.
 *
 * Words between blanks; octets as hexadecimal, none as "-". In:
 *   local DOMAIN RECORD          for all checks that follow
 *   check ADDRESS SENDER HELO RECEIVER SECONDS
 *   answer INDEX found|nothing|failure VALUE...      to a need of the last round
 *   run                          the next round
 * Out, after check and after run: lines "need KIND NAME" and "round", or one line
 *   verdict RESULT DOMAIN MECHANISM RECORD_DOMAIN EXPLANATION PROBLEM QUESTIONS TERMS VOIDS */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

enum { WORDS_MAX = 8192, LOCALS_MAX = 64 };

struct asker {
    struct mw_slice words[WORDS_MAX];
    size_t count;
    struct spf_local locals[LOCALS_MAX];
    struct spf_setup setup;
    struct spf_check *check;
};

static void die(const char *why)
{
    fprintf(stderr, "spfask: %s\n", why);
    exit(2);
}

static struct mw_slice copy_of(struct mw_slice text)
{
    char *copy = malloc(text.len + 1);
    if (copy == NULL)
        die("out of memory");
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return SLICE(copy, text.len);
}

static unsigned nibble(char c)
{
    const char *found = c == '\0' ? NULL : strchr("0123456789abcdef", c);
    if (found == NULL)
        die("not hexadecimal");
    return (unsigned)(found - "0123456789abcdef");
}

/* In place. */
static struct mw_slice octets(struct mw_slice word)
{
    char *out = (char *)word.ptr;
    if (word.len == 1 && word.ptr[0] == '-')
        return EMPTY;
    for (size_t i = 0; i + 1 < word.len; i += 2)
        out[i / 2] = (char)(nibble(word.ptr[i]) << 4 | nibble(word.ptr[i + 1]));
    return SLICE(out, word.len / 2);
}

static void cut_words(struct asker *asker, char *line)
{
    asker->count = 0;
    for (char *at = line; *at != '\0' && *at != '\n';) {
        size_t len = strcspn(at, " \n");
        if (asker->count == WORDS_MAX)
            die("too many words");
        asker->words[asker->count++] = SLICE(at, len);
        at += len;
        at += *at == ' ';
    }
}

static struct mw_slice word(const struct asker *asker, size_t index)
{
    return index < asker->count ? asker->words[index] : LIT("-");
}

static uint64_t number(const struct asker *asker, size_t index)
{
    uint64_t value = 0;
    if (!text_number(word(asker, index), UINT64_MAX, &value))
        die("not a number");
    return value;
}

static void print_octets(struct mw_slice text)
{
    putchar(' ');
    if (text.len == 0)
        putchar('-');
    for (size_t i = 0; i < text.len; i++)
        printf("%02x", (unsigned char)text.ptr[i]);
}

static void print_verdict(const struct spf_check *check)
{
    struct spf_verdict verdict;
    spf_check_verdict(check, &verdict);
    printf("verdict %s", spf_result_name(verdict.result));
    print_octets(verdict.domain);
    print_octets(verdict.mechanism);
    print_octets(verdict.record_domain);
    print_octets(verdict.explanation);
    print_octets(verdict.problem);
    printf(" %zu %zu %zu\n", verdict.questions, verdict.terms, verdict.voids);
}

static void on_run(struct asker *asker)
{
    const struct spf_need *needs;
    size_t count;
    if (asker->check == NULL)
        die("no check");
    if (spf_check_run(asker->check, &needs, &count)) {
        print_verdict(asker->check);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        printf("need %d", (int)needs[i].kind);
        print_octets(needs[i].name);
        putchar('\n');
    }
    puts("round");
}

static void on_local(struct asker *asker)
{
    if (asker->setup.local_count == LOCALS_MAX)
        die("too many local records");
    asker->locals[asker->setup.local_count++] = (struct spf_local){copy_of(octets(word(asker, 1))),
                                                                   copy_of(octets(word(asker, 2)))};
}

static void on_check(struct asker *asker)
{
    struct mw_slice address = octets(word(asker, 1));
    struct spf_sender sender = {
        .address = address.ptr, .sender = octets(word(asker, 2)), .helo = octets(word(asker, 3))};
    if (address.len != 16)
        die("an address has 16 octets");
    spf_check_free(&asker->check);
    free((char *)asker->setup.receiver.ptr);
    asker->setup.receiver = copy_of(octets(word(asker, 4)));
    asker->setup.time_s = number(asker, 5);
    asker->check = spf_check_new(&asker->setup, &sender);
    on_run(asker);
}

static void on_answer(struct asker *asker)
{
    struct mw_slice outcome = word(asker, 2);
    struct mw_dns_answer answer = {.size = sizeof answer};
    if (asker->check == NULL || asker->count < 3)
        die("no check, or too few words");
    answer.outcome = text_is(outcome, "found")     ? MW_DNS_FOUND
                     : text_is(outcome, "nothing") ? MW_DNS_NOTHING
                                                   : MW_DNS_FAILURE;
    for (size_t i = 3; i < asker->count; i++)
        asker->words[i] = octets(asker->words[i]);
    answer.values = asker->words + 3;
    answer.count = asker->count - 3;
    spf_check_answer(asker->check, number(asker, 1), &answer);
}

static void on_line(struct asker *asker, char *line)
{
    cut_words(asker, line);
    struct mw_slice verb = word(asker, 0);
    if (text_is(verb, "check"))
        on_check(asker);
    else if (text_is(verb, "answer"))
        on_answer(asker);
    else if (text_is(verb, "run"))
        on_run(asker);
    else if (text_is(verb, "local"))
        on_local(asker);
    else
        die("unknown word");
    fflush(stdout);
}

int main(void)
{
    static struct asker asker;
    char *line = NULL;
    size_t size = 0;
    asker.setup = (struct spf_setup){
        .receiver = copy_of(EMPTY), .locals = asker.locals, .wants_explanation = true};
    while (getline(&line, &size, stdin) > 0)
        on_line(&asker, line);
    spf_check_free(&asker.check);
    free((char *)asker.setup.receiver.ptr);
    for (size_t i = 0; i < asker.setup.local_count; i++) {
        free((char *)asker.locals[i].domain.ptr);
        free((char *)asker.locals[i].record.ptr);
    }
    free(line);
    return 0;
}
