/* verb_auth.c - AUTH (RFC 4954): relayed line by line, continuation lines included. Filters learn
 * the mechanism before, and the user (PLAIN, LOGIN) after success; passwords are never kept, shown
 * or logged, and the buffers they went through are wiped. */
#include "session/session_priv.h"

#include <string.h>

/* Base64 (RFC 4648 4) of a short credential into `out`; octets written, or -1. */
static ptrdiff_t base64_decode(struct mw_slice text, char *out, size_t size)
{
    uint32_t bits = 0;
    size_t have = 0, len = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
        char c = text.ptr[i];
        uint32_t value;
        if (c >= 'A' && c <= 'Z')
            value = (uint32_t)(c - 'A');
        else if (c >= 'a' && c <= 'z')
            value = (uint32_t)(c - 'a') + 26;
        else if (c >= '0' && c <= '9')
            value = (uint32_t)(c - '0') + 52;
        else if (c == '+' || c == '/')
            value = c == '+' ? 62 : 63;
        else
            return -1;
        bits = bits << 6 | value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (len == size)
                return -1;
            out[len++] = (char)(bits >> have & 0xff);
        }
    }
    return (ptrdiff_t)len;
}

/* The user's name from a PLAIN (authzid NUL authcid NUL password: RFC 4616) or a LOGIN response;
 * only believed after 235. */
static void learn_user(struct mw_session *session, struct mw_slice response)
{
    char text[1024];
    ptrdiff_t len = base64_decode(mw_slice_trim(response), text, sizeof text);
    struct mw_slice user = MW_EMPTY;
    if (len > 0 && mw_slice_ieq(session->auth_mechanism, MW_LIT("PLAIN"))) {
        struct mw_slice authzid, rest, authcid, password;
        if (mw_slice_split(MW_SLICE(text, (size_t)len), '\0', &authzid, &rest) &&
            mw_slice_split(rest, '\0', &authcid, &password))
            user = authcid;
    } else if (len > 0 && mw_slice_ieq(session->auth_mechanism, MW_LIT("LOGIN")) &&
               session->auth_step == 0) {
        user = MW_SLICE(text, (size_t)len);
    }
    if (user.len > 0 && user.len <= 255)
        session->subject.auth_user = mw_arena_dup(&session->arena, user);
    session->auth_step++;
    explicit_bzero(text, sizeof text);
}

/* Refused by us or the upstream: each attempt leaves its mechanism in the session's arena, so their
 * number has to be bounded. False: that was one too many. */
static bool count_failure(struct mw_session *session)
{
    if (mw_count_error(session))
        return true;
    mw_session_finish(session, MW_REPLY_TOO_MANY_ERRORS, MW_END_ERRORS);
    return false;
}

static void auth_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    struct mw_slice mechanism, initial;
    bool has_initial;
    if (!mw_outcome_passes(outcome)) {
        mw_refuse(session, "auth", outcome);
        (void)count_failure(session);
        return;
    }
    if (mw_auth_parse(session->command.arg, &mechanism, &initial, &has_initial) != MW_OK)
        return;
    session->auth_step = 0;
    if (has_initial)
        learn_user(session, initial);
    mw_forward(session, MW_EMPTY, 0);
    mw_enter_state(session, MW_STATE_IN_AUTH, "AUTH");
}

void mw_verb_auth(struct mw_session *session)
{
    struct mw_slice mechanism, initial;
    bool has_initial;
    session->has_secret = true;
    if ((session->shown & MW_EXT_AUTH) == 0) {
        mw_command_error(session, MW_REPLY_AUTH_NOT_OFFERED);
        return;
    }
    if (session->is_authenticated) {
        mw_command_error(session, MW_REPLY_SEQUENCE_AUTHED);
        return;
    }
    if (mw_auth_parse(session->command.arg, &mechanism, &initial, &has_initial) != MW_OK) {
        mw_command_error(session, MW_REPLY_SYNTAX_AUTH);
        return;
    }
    /* bounded: a session may try a handful of times before max-errors ends it upstream or here */
    session->auth_mechanism = mw_arena_dup(&session->arena, mechanism);
    session->subject.auth_user = MW_EMPTY;
    struct mw_call call = {.stage = MW_STAGE_AUTH, .a = session->auth_mechanism};
    mw_run_stage_then(session, &call, auth_decided);
}

void mw_auth_line(struct mw_session *session, struct mw_slice line)
{
    learn_user(session, line);
    session->command = (struct mw_command){.verb = MW_VERB_AUTH, .line = line};
    mw_forward(session, MW_EMPTY, 0);
}

void mw_reply_auth(struct mw_session *session, const struct mw_reply *reply)
{
    if (reply->code == 334)
        return; /* the client's next line is a response */
    if (reply->code == 235) {
        session->is_authenticated = true;
        session->subject.auth_mechanism = session->auth_mechanism;
        session->subject.protocol = mw_protocol(session);
    } else {
        session->subject.auth_user = MW_EMPTY;
        if (!count_failure(session))
            return;
    }
    mw_enter_state(session, MW_STATE_READY, "AUTH over");
}
