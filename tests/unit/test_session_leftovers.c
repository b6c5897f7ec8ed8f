/* test_session_leftovers.c - what dialogs cannot see: secrets in buffers, and a transaction that
 * ends in the middle of a chunk. */
#include <malloc.h>
#include <string.h>

#include "pure.h"
#include "session/session_priv.h"
#include "test.h"

static void greet(struct pure *pure)
{
    pure_start(pure);
    pure_upstream_accepts(pure);
    pure_upstream_sends(pure, MW_LIT("220 up.test ESMTP\r\n"));
    pure_client_sends(pure, MW_LIT("EHLO client.test\r\n"));
    pure_upstream_sends(
        pure, MW_LIT("250-up.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n"));
}

/* session.h, mw_session_had_secret: the buffer that half of a password was read into is wiped, too.
 */
TEST(half_of_a_password_is_a_secret)
{
    struct pure pure;
    pure_init(&pure);
    CHECK(pure_set(&pure, MW_LIT("auth always")));
    greet(&pure);
    (void)mw_session_had_secret(pure.session);
    pure_client_sends(&pure, MW_LIT("AUTH PLAIN AHVzZXIAc2Vjcm"));
    CHECK(mw_session_had_secret(pure.session));
    pure_client_sends(&pure, MW_LIT("V0\r\n"));
    CHECK(mw_session_had_secret(pure.session));
    pure_fini(&pure);
}

/* verb_bdat.c: what is left of the payload cannot be swallowed: the session ends, once. */
TEST(absurd_chunk_is_given_up)
{
    struct pure pure;
    pure_init(&pure);
    CHECK(pure_add_rule(&pure, MW_LIT("data hold continue")));
    greet(&pure);
    pure_client_sends(&pure, MW_LIT("MAIL FROM:<a@client.test>\r\n"));
    pure_upstream_sends(&pure, MW_LIT("250 2.1.0 Ok\r\n"));
    pure_client_sends(&pure, MW_LIT("RCPT TO:<b@up.test>\r\n"));
    pure_upstream_sends(&pure, MW_LIT("250 2.1.5 Ok\r\n"));
    pure_client_sends(&pure, MW_LIT("BDAT 99999999999 LAST\r\nx"));
    mw_session_upstream_eof(pure.session, NULL, pure.session->now);
    CHECK(mw_session_is_over(pure.session));
    pure_fini(&pure);
}

/* smtp.md law 4: a client that is refused AUTH again and again costs a fixed number of octets. */
TEST(refused_auth_does_not_grow_the_session)
{
    struct pure pure;
    pure_init(&pure);
    CHECK(pure_set(&pure, MW_LIT("auth always")));
    CHECK(pure_add_rule(&pure, MW_LIT("auth reject 535 5.7.8 \"No\"")));
    greet(&pure);
    size_t before = 0;
    for (int i = 0; i < 200000; i++) {
        pure_client_sends(&pure, MW_LIT("AUTH XXXXXXXXXXXXXXXX\r\n"));
        if (i == 1000)
            before = mallinfo2().uordblks;
        pure.client_got.len = 0;
        if (mw_session_is_over(pure.session))
            break;
    }
    size_t after = mallinfo2().uordblks;
    if (!mw_session_is_over(pure.session))
        CHECK(after < before + 65536);
    pure_fini(&pure);
}
