/* What filters of senders need of text.h; its other functions are used by all tests of rules. */
#include "text.h"

#include <stdlib.h>

#include "memory.h"
#include "test.h"

TEST(words_of_parameters)
{
    static const struct {
        const char *words;
        bool has;
    } rows[] = {{"", false},
                {" ", false},
                {"SMTPUTF8", true},
                {" SIZE=1000 SmtpUtf8", true},
                {"SMTPUTF8 BODY=8BITMIME", true},
                {" BODY=8BITMIME SMTPUTF8 SIZE=1", true},
                {"SMTPUTF8=1", false},
                {"XSMTPUTF8", false},
                {"SMTPUTF88", false},
                {"SMTPUTF", false},
                {"  SMTPUTF8", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(text_has_word(slice_of(rows[i].words), LIT("SMTPUTF8")), rows[i].has);
    CHECK(!text_has_word(SLICE("SMTPUTF8", 7), LIT("SMTPUTF8")));
}

TEST(memory_is_zeroed)
{
    static const char zeros[300];
    char *memory = memory_new(3, 100);
    CHECK(memcmp(memory, zeros, 300) == 0);
    free(memory);
    memory = memory_new(0, 100); /* never NULL */
    CHECK(memory != NULL);
    free(memory);
}

struct mw_ctx {
    char octets[8];
    size_t asked;
};

static void *transaction_alloc(struct mw_ctx *ctx, size_t size)
{
    ctx->asked = size;
    return ctx->octets;
}

TEST(memory_of_the_transaction)
{
    static const struct mw_host host = {.size = sizeof host,
                                        .transaction_alloc = transaction_alloc};
    struct mw_ctx ctx = {.asked = 0};
    struct memory memory = {&host, &ctx};
    CHECK(memory_of_transaction(&memory, 7) == ctx.octets);
    CHECK_INT(ctx.asked, 7);
}
