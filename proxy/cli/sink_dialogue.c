/* sink_dialogue.c - the sink's commands: which are known, when they are allowed, what they are
 * answered.
 *
 * One function a verb, in a table; the order that RFC 5321 4.1.4 asks for is checked in each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sink_priv.h"
#include "smtp/command.h"
#include "smtp/reply.h"

static const char *const fact_names[FACT_COUNT] = {
    [FACT_NAME] = "NAME",
    [FACT_ADDR] = "ADDR",
    [FACT_PORT] = "PORT",
    [FACT_PROTO] = "PROTO",
    [FACT_HELO] = "HELO",
    [FACT_LOGIN] = "LOGIN",
    [FACT_DESTADDR] = "DESTADDR",
    [FACT_DESTPORT] = "DESTPORT",
    [FACT_REVERSE_NAME] = "REVERSE_NAME",
};

void sink_greet(struct sink_session *session)
{
    char text[SINK_TEXT_MAX];
    if (!sink_passes(session, MW_SINK_CONNECT, MW_EMPTY)) {
        /* RFC 5321 3.1: after a refusing greeting only QUIT is of use; a closed door is simpler to
         * test */
        session->wants_close = session->mode != MODE_HUNG;
        return;
    }
    snprintf(text, sizeof text, "%s ESMTP mailweir sink", session->sink->config.banner);
    sink_say_text(session, 220, "", text);
}

/* ---- HELO, EHLO ---- */

static bool helo(struct sink_session *session, const struct mw_command *command,
                 enum mw_reply_id syntax)
{
    if (command->arg.len == 0) {
        sink_say(session, syntax);
        return false;
    }
    sink_reset(session); /* RFC 5321 4.1.4: as RSET */
    if (!sink_passes(session, MW_SINK_HELO, command->arg))
        return false;
    sink_set_fact(session, FACT_HELO, command->arg);
    session->has_helo = true;
    return true;
}

static void do_helo(struct sink_session *session, const struct mw_command *command)
{
    if (!helo(session, command, MW_REPLY_SYNTAX_HELO))
        return;
    session->is_esmtp = false;
    sink_say_text(session, 250, "", session->sink->config.banner);
}

static void do_ehlo(struct sink_session *session, const struct mw_command *command)
{
    const struct mw_sink_config *config = &session->sink->config;
    char text[1024];
    if (!helo(session, command, MW_REPLY_SYNTAX_EHLO))
        return;
    session->is_esmtp = true;
    snprintf(text, sizeof text, "%s%s\nSIZE %llu\n8BITMIME\nSMTPUTF8\nDSN%s%s\nENHANCEDSTATUSCODES",
             config->banner, config->has_no_pipelining ? "" : "\nPIPELINING",
             (unsigned long long)config->max_size, config->has_no_chunking ? "" : "\nCHUNKING",
             config->takes_xclient
                 ? "\nXCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME"
                 : "");
    sink_say_text(session, 250, "", text);
}

/* ---- XCLIENT (Postfix's XCLIENT_README) ---- */

static int find_fact(struct mw_slice name)
{
    for (int fact = 0; fact < FACT_COUNT; fact++)
        if (mw_slice_ieq(name, mw_slice_cstr(fact_names[fact])))
            return fact;
    return -1;
}

/* ADDR and DESTADDR: IPv6 has a prefix of its own. */
static bool address_text(struct mw_slice value, struct mw_buf *out)
{
    struct mw_inet address;
    char text[MW_INET_TEXT_MAX];
    bool is_v6 = mw_slice_istarts(value, MW_LIT("IPV6:"));
    struct mw_slice rest = is_v6 ? mw_slice_skip(value, 5) : value;
    if ((mw_slice_find(rest, ':') >= 0) != is_v6 || mw_inet_parse(rest, &address) != MW_OK)
        return false;
    out->len = 0;
    mw_buf_put(out, mw_inet_print(&address, text));
    return true;
}

/* Decode and check one value; `out` is the text to keep. */
static bool fact_value(int fact, struct mw_slice value, struct mw_buf *out)
{
    uint64_t number;
    if (value.len == 0 || mw_xtext_decode(value, out) != MW_OK)
        return false;
    struct mw_slice plain = mw_buf_view(out);
    if (mw_slice_ieq(plain, MW_LIT("[UNAVAILABLE]")) ||
        mw_slice_ieq(plain, MW_LIT("[TEMPUNAVAIL]"))) {
        out->len = 0;
        return true;
    }
    switch (fact) {
    case FACT_ADDR:
    case FACT_DESTADDR: {
        char copy[SINK_TEXT_MAX];
        memcpy(copy, plain.ptr, plain.len);
        return address_text(MW_SLICE(copy, plain.len), out);
    }
    case FACT_PORT:
    case FACT_DESTPORT:
        return mw_slice_to_u64(plain, 65535, &number) == MW_OK;
    case FACT_PROTO:
        return mw_slice_ieq(plain, MW_LIT("SMTP")) || mw_slice_ieq(plain, MW_LIT("ESMTP"));
    default:
        return true;
    }
}

/* name=value; with `apply` false it is only checked, so that a bad command changes nothing. */
static bool take_attribute(struct sink_session *session, struct mw_slice attribute, bool apply)
{
    struct mw_slice name, value;
    struct mw_buf text = MW_BUF_INIT(SINK_TEXT_MAX - 1);
    if (!mw_slice_split(attribute, '=', &name, &value))
        return false;
    int fact = find_fact(name);
    bool is_good = fact >= 0 && fact_value(fact, value, &text);
    if (is_good && apply)
        sink_set_fact(session, (enum sink_fact)fact, mw_buf_view(&text));
    if (is_good && apply && fact == FACT_ADDR)
        session->has_xclient = true;
    mw_buf_fini(&text);
    return is_good;
}

static bool take_attributes(struct sink_session *session, struct mw_slice arg, bool apply)
{
    bool is_good = arg.len > 0;
    while (arg.len > 0 && is_good) {
        struct mw_slice attribute = arg, rest = MW_EMPTY;
        (void)mw_slice_split(arg, ' ', &attribute, &rest);
        is_good = attribute.len == 0 || take_attribute(session, attribute, apply);
        arg = rest;
    }
    return is_good;
}

static void do_xclient(struct sink_session *session, const struct mw_command *command)
{
    if (!session->sink->config.takes_xclient || session->has_xclient) {
        sink_say(session,
                 MW_REPLY_DENIED); /* Postfix: the new address is not authorised any more */
    } else if (session->has_mail) {
        sink_say(session, MW_REPLY_SEQUENCE_AUTH);
    } else if (!take_attributes(session, command->arg, false)) {
        sink_note(session, "xclient refused");
        sink_say(session, MW_REPLY_SYNTAX);
    } else if (sink_passes(session, MW_SINK_XCLIENT, MW_EMPTY)) {
        (void)take_attributes(session, command->arg, true);
        sink_note(
            session,
            "xclient client=%s[%s]:%s reverse=%s helo=%s proto=%s login=%s destination=[%s]:%s",
            session->facts[FACT_NAME], session->facts[FACT_ADDR], session->facts[FACT_PORT],
            session->facts[FACT_REVERSE_NAME], session->facts[FACT_HELO],
            session->facts[FACT_PROTO], session->facts[FACT_LOGIN], session->facts[FACT_DESTADDR],
            session->facts[FACT_DESTPORT]);
        session->has_helo = false; /* as if that client had just connected */
        sink_greet(session);
    }
}

/* ---- MAIL, RCPT ---- */

static bool has_only(const struct mw_envelope_arg *arg, const char *const *known)
{
    for (size_t i = 0; i < arg->param_count; i++) {
        size_t at = 0;
        while (known[at] != NULL && !mw_slice_ieq(arg->params[i].key, mw_slice_cstr(known[at])))
            at++;
        if (known[at] == NULL)
            return false;
    }
    return true;
}

static bool is_too_big(const struct sink_session *session, const struct mw_envelope_arg *arg)
{
    uint64_t size;
    const struct mw_param *param = mw_envelope_arg_param(arg, MW_LIT("SIZE"));
    return param != NULL && (mw_slice_to_u64(param->value, UINT64_MAX, &size) != MW_OK ||
                             size > session->sink->config.max_size);
}

static void do_mail(struct sink_session *session, const struct mw_command *command)
{
    static const char *const known[] = {"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", NULL};
    struct mw_envelope_arg arg;
    if (!session->has_helo) {
        sink_say(session, MW_REPLY_SEQUENCE_HELO);
    } else if (session->has_mail) {
        sink_say(session, MW_REPLY_SEQUENCE_NESTED);
    } else if (mw_envelope_arg_parse(command->arg, MW_LIT("FROM"), &arg) != MW_OK) {
        sink_say(session, MW_REPLY_SYNTAX_MAIL);
    } else if (!has_only(&arg, known) || (!session->is_esmtp && arg.param_count > 0)) {
        sink_say_text(session, 555, "5.5.4", "Unsupported option"); /* RFC 5321 4.1.1.11 */
    } else if (is_too_big(session, &arg)) {
        sink_say(session, MW_REPLY_TOO_BIG);
    } else if (sink_passes(session, MW_SINK_MAIL, arg.path.address)) {
        mw_buf_put(&session->sender, arg.path.address);
        session->has_mail = true;
        sink_say_text(session, 250, "2.1.0", "Ok");
    }
}

static void do_rcpt(struct sink_session *session, const struct mw_command *command)
{
    static const char *const known[] = {"NOTIFY", "ORCPT", NULL};
    struct mw_envelope_arg arg;
    if (!session->has_mail || session->is_bdat) {
        sink_say(session, MW_REPLY_SEQUENCE_MAIL);
    } else if (mw_envelope_arg_parse(command->arg, MW_LIT("TO"), &arg) != MW_OK ||
               arg.path.address.len == 0) {
        sink_say(session, MW_REPLY_SYNTAX_RCPT);
    } else if (!has_only(&arg, known) || (!session->is_esmtp && arg.param_count > 0)) {
        sink_say_text(session, 555, "5.5.4", "Unsupported option");
    } else if (session->rcpt_count >= SINK_RCPT_MAX) {
        sink_say(session, MW_REPLY_TOO_MANY_RCPTS);
    } else if (sink_passes(session, MW_SINK_RCPT, arg.path.address)) {
        mw_buf_put(&session->rcpts, arg.path.address);
        mw_buf_putc(&session->rcpts, '\0');
        session->rcpt_count++;
        sink_say(session, MW_REPLY_RCPT_OK);
    }
}

/* ---- DATA, BDAT ---- */

static void do_data(struct sink_session *session, const struct mw_command *command)
{
    if (command->arg.len > 0) {
        sink_say(session, MW_REPLY_SYNTAX_DATA);
    } else if (!session->has_mail || session->is_bdat) {
        sink_say(session, session->is_bdat ? MW_REPLY_SEQUENCE_BDAT : MW_REPLY_SEQUENCE_MAIL);
    } else if (session->rcpt_count == 0) {
        sink_say(session, MW_REPLY_NO_RECIPIENTS);
    } else if (sink_passes(session, MW_SINK_DATA, MW_EMPTY) && sink_begin_content(session)) {
        session->mode = MODE_DATA;
        sink_say(session, MW_REPLY_GO_AHEAD);
    }
}

/* RFC 3030 2: the octets follow whatever the answer is, so they are read and dropped where the
 * chunk is refused. */
static void do_bdat(struct sink_session *session, const struct mw_command *command)
{
    bool is_last = false;
    if (session->sink->config.has_no_chunking) {
        sink_say(session, MW_REPLY_NOT_OFFERED);
        return;
    }
    if (mw_bdat_parse(command->arg, &session->chunk_left, &is_last) != MW_OK) {
        sink_say(session, MW_REPLY_SYNTAX_BDAT);
        session->wants_close = true; /* nobody knows where the chunk ends */
        return;
    }
    session->is_last_chunk = is_last;
    session->is_chunk_unwanted = false;
    if (session->rcpt_count == 0) {
        sink_say(session, session->has_mail ? MW_REPLY_NO_RECIPIENTS : MW_REPLY_SEQUENCE_MAIL);
        session->is_chunk_unwanted = true;
    } else if (!session->is_bdat && !sink_begin_content(session)) {
        session->is_chunk_unwanted = true;
    } else {
        session->is_bdat = true;
    }
    session->mode = MODE_CHUNK;
    if (session->chunk_left == 0)
        sink_finish_chunk(session);
}

/* ---- the rest ---- */

static void do_rset(struct sink_session *session, const struct mw_command *command)
{
    (void)command;
    sink_reset(session);
    if (sink_passes(session, MW_SINK_RSET, MW_EMPTY))
        sink_say(session, MW_REPLY_OK);
}

static void do_noop(struct sink_session *session, const struct mw_command *command)
{
    (void)command;
    if (sink_passes(session, MW_SINK_NOOP, MW_EMPTY))
        sink_say(session, MW_REPLY_OK);
}

static void do_help(struct sink_session *session, const struct mw_command *command)
{
    (void)command;
    sink_say_text(session, 214, "2.0.0",
                  "This is a mailweir sink: it stores everything and delivers nothing");
}

static void do_vrfy(struct sink_session *session, const struct mw_command *command)
{
    if (command->arg.len == 0)
        sink_say(session, MW_REPLY_SYNTAX);
    else
        sink_say_text(session, 252, "2.0.0", "Cannot verify, but will take the message");
}

static void do_quit(struct sink_session *session, const struct mw_command *command)
{
    (void)command;
    session->wants_close = true;
    if (sink_passes(session, MW_SINK_QUIT, MW_EMPTY))
        sink_say(session, MW_REPLY_BYE);
    if (session->mode == MODE_HUNG)
        session->wants_close = false;
}

static void not_offered(struct sink_session *session, const struct mw_command *command)
{
    (void)command;
    sink_say(session, MW_REPLY_NOT_OFFERED);
}

static void unknown(struct sink_session *session, const struct mw_command *command)
{
    (void)command;
    sink_say(session, MW_REPLY_UNKNOWN_COMMAND);
}

typedef void command_fn(struct sink_session *session, const struct mw_command *command);
static command_fn *const commands[MW_VERB_COUNT] = {
    [MW_VERB_UNKNOWN] = unknown, [MW_VERB_EHLO] = do_ehlo, [MW_VERB_HELO] = do_helo,
    [MW_VERB_MAIL] = do_mail,    [MW_VERB_RCPT] = do_rcpt, [MW_VERB_DATA] = do_data,
    [MW_VERB_BDAT] = do_bdat,    [MW_VERB_RSET] = do_rset, [MW_VERB_NOOP] = do_noop,
    [MW_VERB_HELP] = do_help,    [MW_VERB_VRFY] = do_vrfy, [MW_VERB_XCLIENT] = do_xclient,
    [MW_VERB_QUIT] = do_quit,
};

void sink_command(struct sink_session *session, struct mw_slice line)
{
    struct mw_command command;
    mw_command_parse(line, &command);
    command_fn *run = commands[command.verb] != NULL ? commands[command.verb] : not_offered;
    run(session, &command);
}
