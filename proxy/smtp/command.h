/* command.h - SMTP commands: recognise the verb, take MAIL, RCPT, BDAT and AUTH apart, print MAIL
 * and RCPT anew.
 *
 * Pure: a line in (without its line end), values out; all slices are views into the line. No
 * allocation. Not here: whether a command is legal now (session/), line ends and lengths (line.h).
 */
#ifndef MW_SMTP_COMMAND_H
#define MW_SMTP_COMMAND_H

#include "base/buf.h"
#include "base/slice.h"
#include "smtp/path.h"

enum mw_verb {
    MW_VERB_UNKNOWN = 0,
#define MW_VERB(name, legal, stage, handler, flags) MW_VERB_##name,
#include "smtp/verbs.def"
#undef MW_VERB
    MW_VERB_COUNT
};

/* The verb's name as in verbs.def ("-" for MW_VERB_UNKNOWN), NUL-terminated, static. */
const char *mw_verb_name(enum mw_verb verb);

struct mw_command {
    enum mw_verb verb;
    struct mw_slice
        line; /* the whole line as the client wrote it, without CRLF, trailing blanks kept */
    struct mw_slice word; /* the verb as written */
    struct mw_slice arg;  /* what follows the verb, without blanks at either end */
};

/* Split a line into verb and argument. Any line parses; an unknown first word gives
 * MW_VERB_UNKNOWN. Verbs compare without case. Leading blanks are not skipped (the verb is then
 * unknown). RFC 5321 2.4, 4.1.1. */
void mw_command_parse(struct mw_slice line, struct mw_command *out_command);

/* The longest parameter list, and the longest path, that we look at. RFC 5321 4.5.3.1 asks for 256
 * (path), 512 (line). */
enum { MW_PARAM_MAX = 24 };

struct mw_param {
    struct mw_slice key;   /* esmtp-keyword */
    struct mw_slice value; /* as written (not xtext-decoded); empty without has_value */
    bool has_value;
};

/* MAIL FROM:<path> SP params, RCPT TO:<path> SP params. */
struct mw_envelope_arg {
    struct mw_path path;
    struct mw_slice path_text;  /* as written, with angle brackets if there were some */
    struct mw_slice param_text; /* everything behind the path, trimmed; empty if none */
    struct mw_param params[MW_PARAM_MAX];
    size_t param_count;
};

/* Take apart the argument of MAIL (keyword "FROM") or RCPT (keyword "TO").
 * Accepted as real clients send it: a blank after the colon, no angle brackets around a plain
 * address (the upstream judges), lower-case keyword. MW_ERR_SYNTAX: no keyword, no path, unbalanced
 * <>, a control character or DEL anywhere, an esmtp-keyword that is not ALPHA/DIGIT followed by
 * alnum or "-", "KEY=" without value, more than MW_PARAM_MAX. RFC
 * 5321 4.1.1.2, 4.1.1.3, 4.1.1.11, 4.1.2. */
MW_MUST_USE enum mw_err mw_envelope_arg_parse(struct mw_slice arg, struct mw_slice keyword,
                                              struct mw_envelope_arg *out_arg);
/* The first parameter with this key (without case), or NULL. */
const struct mw_param *mw_envelope_arg_param(const struct mw_envelope_arg *arg,
                                             struct mw_slice key);
/* Print "MAIL FROM:<path> params\r\n" or "RCPT TO:...": used when a filter changed the path.
 * `verb_and_keyword` is "MAIL FROM:" or "RCPT TO:", `path` has no brackets. The caller has passed
 * the path through mw_path_is_safe(); whatever it holds all the same, one line leaves: control
 * characters become "?". */
void mw_envelope_print(struct mw_buf *out, struct mw_slice verb_and_keyword, struct mw_slice path,
                       struct mw_slice param_text);

/* BDAT SP chunk-size [SP "LAST"]. chunk-size is 1 to 20 decimal digits, nothing else (no sign, no
 * hex, no blank inside: two sides that count differently are the smuggling hole), at most 2^63-1.
 * RFC 3030 2. */
MW_MUST_USE enum mw_err mw_bdat_parse(struct mw_slice arg, uint64_t *out_size, bool *out_is_last);

/* AUTH SP mechanism [SP initial-response]. The mechanism is 1-20 of A-Z 0-9 - _ (RFC 4422 3.1), in
 * either case, printed upper-case by the caller. Initial response as written, one word of "!".."~",
 * empty if absent. RFC 4954 4. */
MW_MUST_USE enum mw_err mw_auth_parse(struct mw_slice arg, struct mw_slice *out_mechanism,
                                      struct mw_slice *out_initial, bool *out_has_initial);

/* xtext (RFC 3461 4): "+" two upper-case hex digits. Decode appends to `out` (capped by the
 * caller), all or nothing; MW_ERR_SYNTAX on a bad sequence or an octet outside "!".."~" or "=".
 * Encode writes anything outside "!".."~", "+" and "=" as +XX. */
MW_MUST_USE enum mw_err mw_xtext_decode(struct mw_slice text, struct mw_buf *out);
void mw_xtext_encode(struct mw_slice octets, struct mw_buf *out);

#endif
